"""Entries as they arrive: what ``meterr logs -f`` asks again and again."""

from datetime import UTC, datetime, timedelta

from meterr.core.clock import as_datetime
from meterr.core.db import Database
from meterr.ledger import store
from meterr.ledger.period import Period
from meterr.ledger.report import Entry, EntryFilter, checked_filter

# An entry carries the time its call began and arrives when the call has ended: one that took longer
# than this is left to a plain listing. Both bounds keep a poll's cost from growing with the ledger.
LATE_MS = 15 * 60 * 1000
SHOWN_MAX = 20_000
_ROWS_PER_POLL = 1_000
_BEFORE_ANY_ID = "00000000-0000-0000-0000-000000000000"
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class Follower:
    """
    Give each entry of a tenant once, soon after it arrives, late ones included.

    Starts with calls that began at ``start_unix_ms`` or later. Of more than SHOWN_MAX entries in
    LATE_MS the late ones may be missed; the ledger has them all.
    """

    def __init__(self, db: Database, tenant: str, start_unix_ms: int, wanted: EntryFilter) -> None:
        self._db = db
        self._tenant = tenant
        self._wanted = checked_filter(wanted)
        self._floor = as_datetime(start_unix_ms)
        self._shown: dict[str, datetime] = {}

    async def poll(self, now_unix_ms: int) -> list[Entry]:
        """Return what has arrived since the last poll, oldest first, at most a thousand entries."""
        self._floor = max(self._floor, as_datetime(now_unix_ms - LATE_MS))
        self._forget()
        period = Period(self._floor, _END_OF_TIME, UTC)
        async with self._db.tenant_transaction(self._tenant) as conn:
            found = await store.entries_after(
                conn,
                self._tenant,
                period,
                self._wanted,
                (self._floor, _BEFORE_ANY_ID),
                _ROWS_PER_POLL,
                tuple(self._shown),
            )
        self._shown.update((entry.id, entry.at) for entry in found)
        return found

    def _forget(self) -> None:
        excess = len(self._shown) - SHOWN_MAX
        if excess > 0:
            # Just past the newest of those given up, so that none of them is given again.
            self._floor = max(
                self._floor, sorted(self._shown.values())[excess - 1] + timedelta(milliseconds=1)
            )
        self._shown = {entry: at for entry, at in self._shown.items() if at >= self._floor}
