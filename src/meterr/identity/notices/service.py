"""Telling people, and what they have been told. One function, one use case."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from meterr.core.clock import as_datetime
from meterr.core.db import Connection, Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.events import Recorded
from meterr.core.events.model import text_told
from meterr.core.ids import unix_ms_of
from meterr.identity.notices import store
from meterr.identity.notices.model import NoticePage
from meterr.identity.notices.text import TEXTS
from meterr.identity.pages import check_page
from meterr.identity.terms import is_uuid

_START: Final = (datetime(9999, 1, 1, tzinfo=UTC), "ffffffff-ffff-ffff-ffff-ffffffffffff")


async def tell_person(
    connection: Connection, event: Recorded, user_id: str, about: str = ""
) -> None:
    """Tell one person of an event, in the transaction that recorded it."""
    _check(event)
    await store.tell_person(connection, event, user_id, text_told(about))


async def tell_keepers(
    connection: Connection,
    event: Recorded,
    key_ids: Sequence[str] = (),
    *,
    emergency_id: str | None = None,
) -> None:
    """
    Tell whoever keeps these keys, or all that an emergency ended; each person once.

    That is the person who owns a key, and the administrators of its tenant where nobody does.
    ``connection`` acts as Role.APP, in the transaction that recorded the event.
    """
    _check(event)
    await store.tell_keepers(connection, event, key_ids, emergency_id)


async def list_notices(
    db: Database, user_id: str, *, unread: bool = False, after: str | None = None, limit: int = 50
) -> NoticePage:
    """Return one page of a person's notices, newest first; ``limit`` is 1 to 200."""
    check_page(after, limit)
    cursor = _START if after is None else _cursor(after)
    async with db.transaction() as connection:
        found = await store.notices_before(connection, user_id, cursor, limit + 1, unread=unread)
    notices = tuple(found[:limit])
    return NoticePage(notices, notices[-1].event_id if len(found) > limit else None)


async def mark_read(db: Database, user_id: str, event_id: str) -> None:
    """Say that one has read a notice; again is no error. NotFound for somebody else's."""
    if is_uuid(event_id):
        async with db.transaction() as connection:
            if await store.mark_read(connection, user_id, event_id):
                return
    raise NotFound("There is no such notice.")


def _cursor(after: str) -> tuple[datetime, str]:
    with suppress(ValueError):  # of a year that no calendar of ours has
        return as_datetime(unix_ms_of(after)), after
    raise Invalid("after is the id that the page before ended with.", param="after")


def _check(event: Recorded) -> None:
    if event.kind not in TEXTS:
        raise ValueError(f"nobody is told of {event.kind}: it has no text")
