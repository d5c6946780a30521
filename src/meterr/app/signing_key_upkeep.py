"""Access tokens are signed with another key from time to time, and nobody has to think of it."""

import asyncio
from typing import Final

from meterr.app.upkeep import tell_failure
from meterr.core.errors import Unavailable
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.identity.sessions import SigningKeys

ROUND_S: Final = 600.0
_RETRY_S: Final = 5.0


async def keep_signing_keys(keys: SigningKeys, age_s_max: int, telemetry: Telemetry) -> None:
    """
    Let another key sign when the current one has signed for ``age_s_max``, until cancelled.

    Every process that serves the API runs one; of all of them one rotates. A failed round is told
    and tried again: the key before goes on signing.
    """
    while True:
        pause_s = ROUND_S
        try:
            done = await keys.keep(age_s_max)
            if done is not None:
                message = f"current={done.current} next={done.next}"
                line = EventLine(event=Event.SIGNING_KEY_ROTATED, message=message)
                telemetry.event(Level.INFO, line)
        except Unavailable:
            pause_s = _RETRY_S
        # Ending here would leave this installation on one key for good and in silence.
        except Exception as error:  # noqa: BLE001 (as the line above says)
            tell_failure(telemetry, "signing keys", type(error).__name__)
        await asyncio.sleep(pause_s)
