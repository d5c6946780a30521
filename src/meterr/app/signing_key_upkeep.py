"""Access tokens are signed with another key from time to time, and nobody has to think of it."""

from typing import Final

from meterr.app.repeating import Repeating
from meterr.app.upkeep import tell_failure
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.identity.sessions import SigningKeys

ROUND_S: Final = 600.0


def signing_key_upkeep(keys: SigningKeys, age_s_max: int, telemetry: Telemetry) -> Repeating:
    """
    Return what lets another key sign when the current one has signed for ``age_s_max`` seconds.

    Every process that serves the API runs one; of all of them one rotates. A failed round is told
    and tried again: the key before goes on signing.
    """

    async def keep() -> None:
        done = await keys.keep(age_s_max)
        if done is not None:
            message = f"current={done.current} next={done.next}"
            line = EventLine(event=Event.SIGNING_KEY_ROTATED, message=message)
            telemetry.event(Level.INFO, line)

    def failed(error: Exception) -> None:
        tell_failure(telemetry, "signing keys", type(error).__name__)

    return Repeating(keep, failed, every_s=ROUND_S)
