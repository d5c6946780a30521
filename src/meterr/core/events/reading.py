"""Reading events: pages, newest first, and following them as they come."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from meterr.core.clock import as_datetime
from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.core.events import store
from meterr.core.events.kinds import Kind
from meterr.core.events.model import EventPage, EventRow
from meterr.core.ids import unix_ms_of
from meterr.core.policy import PLATFORM

PAGE_EVENTS_MAX: Final = 1_000
END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
LATE: Final = timedelta(minutes=2)
"""An event has the time of its statement and is seen when its transaction ends, a little later."""

SHOWN_MAX: Final = 10_000
_ROWS_PER_POLL: Final = 1_000
_HIGHEST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def list_events(
    db: Database,
    tenant_id: str | None,
    *,
    since: datetime,
    until: datetime = END_OF_TIME,
    kinds: Iterable[str] = (),
    after: str | None = None,
    limit: int = 100,
) -> EventPage:
    """
    Return one page of a tenant's events, newest first; of the installation's with None.

    The installation's are for the operator: who may ask is the caller's business. ``kinds`` are
    kinds (``key.revoked``) or subjects (``key``). A page costs the same however deep it lies.

    Raises Invalid for a kind that does not exist, an ``after`` that is no event's id, and a limit
    outside 1 to 1,000.
    """
    if not 1 <= limit <= PAGE_EVENTS_MAX:
        raise Invalid(f"limit is 1 to {PAGE_EVENTS_MAX:,}.", param="limit")
    wanted = chosen_kinds(kinds)
    cursor = (until, _HIGHEST_ID) if after is None else _cursor(after)
    span = store.Span(since, until)
    of = tenant_id or PLATFORM
    async with db.tenant_transaction(of) as connection:
        found = await store.events_before(connection, of, span, wanted, cursor, limit + 1)
    events = tuple(found[:limit])
    return EventPage(events, events[-1].event_id if len(found) > limit else None)


class Follower:
    """
    Give each event of a tenant (None: of the installation) once, soon after it was recorded.

    Begins with what is recorded from ``start`` on. Of more than SHOWN_MAX events within LATE some
    may be missed; a plain listing has them all.
    """

    def __init__(
        self, db: Database, tenant_id: str | None, start: datetime, kinds: Iterable[str] = ()
    ) -> None:
        self._db = db
        self._of = tenant_id or PLATFORM
        self._kinds = chosen_kinds(kinds)
        self._floor = start
        self._shown: dict[str, datetime] = {}

    async def poll(self, now: datetime) -> list[EventRow]:
        """Return what came since the last poll, oldest first, at most a thousand events."""
        self._floor = max(self._floor, now - LATE)
        if len(self._shown) > SHOWN_MAX:
            newest_given_up = sorted(self._shown.values())[-SHOWN_MAX - 1]
            self._floor = max(self._floor, newest_given_up + timedelta(milliseconds=1))
        self._shown = {event: at for event, at in self._shown.items() if at >= self._floor}
        async with self._db.tenant_transaction(self._of) as connection:
            found = await store.events_since(
                connection, self._of, self._floor, self._kinds, list(self._shown), _ROWS_PER_POLL
            )
        self._shown.update((event.event_id, event.at) for event in found)
        return found


def chosen_kinds(asked: Iterable[str]) -> list[str] | None:
    """Return the kinds that names of kinds and subjects stand for; None for all. Or Invalid."""
    chosen: list[str] = []
    for name in asked:
        found = [kind.value for kind in Kind if name in (kind.value, kind.subject)]
        if not found:
            subjects = ", ".join(sorted({kind.subject for kind in Kind}))
            raise Invalid(f"There is no such kind of event. Subjects: {subjects}.", param="kind")
        chosen += found
    return chosen or None


def _cursor(after: str) -> tuple[datetime, str]:
    if _ID.fullmatch(after) is not None:
        with suppress(ValueError):  # of a year that no calendar of ours has
            return as_datetime(unix_ms_of(after)), after
    raise Invalid("after is the id that the page before ended with.", param="after")
