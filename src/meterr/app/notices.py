"""The parent's work for people: notices by mail, sent by one of all hosts at a time."""

import asyncio
from collections.abc import Callable
from functools import partial

from meterr.app.upkeep import keep, pause
from meterr.core.db import Database, Role
from meterr.core.settings import Settings
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.identity.notices.sender import NoticeSender
from meterr.identity.notices.smtp import Smtp

ROUND_S = 10.0
_RETRY_S = 1.0
_RESTART_S = 30.0


async def keep_notices(
    stop: asyncio.Event, dsn: Callable[[], str], settings: Settings, telemetry: Telemetry
) -> None:
    """
    Send what people are told, round by round until ``stop`` is set; without a mail server, tidy up.

    Ends at once when the database has another schema, see ``keep``.
    """
    tell = partial(_tell, telemetry)

    async def send() -> None:
        async with Database.open(dsn(), Role.IDENTITY, pool_size_max=1) as db:
            sender = NoticeSender(
                db,
                mail_server(settings),
                sender=settings.notify.sender or "",
                origin=settings.sign_in.origin,
                tell=tell,
            )
            while not stop.is_set():
                if not await sender.round():
                    await pause(stop, ROUND_S)

    await keep(stop, dsn, send, tell, retry_s=_RETRY_S, restart_s=_RESTART_S)


def mail_server(settings: Settings) -> Callable[[], Smtp] | None:
    """
    Return the way to the configured mail server, None without one.

    Its address is read anew each time: a secrets backend may have another password by now.
    """
    url, ca_file = settings.notify.smtp_url, settings.notify.ca_file
    return None if url is None else lambda: Smtp.parse(url.get_secret_value(), ca_file)


def _tell(telemetry: Telemetry, error_type: str) -> None:
    line = EventLine(event=Event.MAIL_FAILED, where="notices", error_type=error_type)
    telemetry.event(Level.WARNING, line)
