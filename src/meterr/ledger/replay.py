"""What a rule would have refused: the ledger's calls once more, in order, against it."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush

import msgspec

from meterr.core.db import Database
from meterr.core.limits import Measure, Span
from meterr.core.money import EXACT
from meterr.ledger import store
from meterr.ledger.limits.model import NewLimit
from meterr.ledger.limits.window import Window, window_at
from meterr.ledger.model import State
from meterr.ledger.reading import PAGE_ROWS_MAX, entries
from meterr.ledger.report import Entry

FIRST_MAX = 20
"""Refused calls that are shown one by one, the earliest first."""

_MINUTE = timedelta(minutes=1)


class Rule(msgspec.Struct, frozen=True):
    """A limit to replay, whose terms are sound; ``concerns`` says which calls draw from it."""

    limit: NewLimit
    time_zone: str
    concerns: Callable[[Entry], bool]


class Group(msgspec.Struct):
    """The calls of one model and key."""

    calls: int = 0
    refused: int = 0
    refused_usd: Decimal = Decimal(0)  # what the refused ones did cost


class Replay(msgspec.Struct):
    """
    What came of a replay. ``groups`` are by model and key.

    ``unpriced`` calls have no known cost: a hard budget would have refused them outright, and the
    replay lets them pass.
    """

    groups: dict[tuple[str, str], Group] = {}
    first: list[Entry] = []
    unpriced: int = 0

    @property
    def calls(self) -> int:
        return sum(group.calls for group in self.groups.values())

    @property
    def refused(self) -> int:
        return sum(group.refused for group in self.groups.values())


class Judge:
    """
    Hold calls to one rule in the order in which they began.

    By what calls did draw or cost: a gateway reserves the most that a call can use, so close to a
    limit it refuses a little sooner. ``spent`` is what the budget's ``window`` began with.
    """

    def __init__(self, rule: Rule, window: Window, spent: Decimal) -> None:
        self._rule = rule
        self._amount = Decimal(rule.limit.amount)
        self._window = window
        self._used = spent
        self._minute: deque[tuple[datetime, int]] = deque()
        self._running: list[datetime] = []

    def allows(self, entry: Entry) -> bool:
        """Say whether the call would have passed; if so, it has drawn from the limit."""
        match self._rule.limit.measure:
            case Measure.USD:
                return self._spend(entry)
            case Measure.CONCURRENCY:
                return self._start(entry)
            case Measure.REQUESTS:
                return self._pass(entry.at, 1)
            case Measure.TOKENS:
                usage = entry.usage
                used = usage.prompt_tokens + usage.answer_tokens if usage else 0
                return self._pass(entry.at, used)

    def _spend(self, entry: Entry) -> bool:
        ends_at = self._window.ends_at
        if ends_at is not None and entry.at >= ends_at:
            self._window = window_at(self._rule.limit.span, self._rule.time_zone, entry.at)
            self._used = Decimal(0)
        drawn = entry.cost_usd if entry.drawn_usd is None else entry.drawn_usd
        used = EXACT.add(self._used, drawn or Decimal(0))
        if used > self._amount:
            return False
        self._used = used
        return True

    def _start(self, entry: Entry) -> bool:
        while self._running and self._running[0] <= entry.at:
            heappop(self._running)
        if len(self._running) >= self._amount:
            return False
        heappush(self._running, entry.at + timedelta(milliseconds=entry.duration_ms))
        return True

    def _pass(self, at: datetime, count: int) -> bool:
        minute = self._minute
        while minute and minute[0][0] + _MINUTE <= at:
            self._used -= minute.popleft()[1]
        if self._used + count > self._amount:
            return False
        minute.append((at, count))
        self._used += count
        return True


async def replay(
    db: Database, tenant: str, rule: Rule, *, since: datetime, until: datetime
) -> Replay:
    """
    Replay a tenant's calls from ``since`` to ``until``, page by page, and write nothing.

    A budget begins with what its window has cost before ``since``, as a budget set then would; a
    rate with the minute before. Calls that never left for a provider are left out.
    """
    limit = rule.limit
    window = window_at(limit.span, rule.time_zone, since.astimezone(UTC))
    spent = Decimal(0)
    if limit.measure is Measure.USD:
        spent = await _spent_before(db, tenant, limit, window.starts_at, since)
    judge, found = Judge(rule, window, spent), Replay(groups={}, first=[])
    after: str | None = None
    start = since - _MINUTE if limit.span is Span.MINUTE else since
    while True:
        page = await entries(
            db,
            tenant,
            since=start,
            until=until,
            after=after,
            limit=PAGE_ROWS_MAX,
            newest_first=False,
        )
        for entry in page.entries:
            if entry.state is State.REFUSED or not rule.concerns(entry):
                continue
            allowed = judge.allows(entry)
            if entry.at >= since:
                found.unpriced += limit.measure is Measure.USD and entry.cost_usd is None
                _note(found, entry, allowed=allowed)
        after = page.next
        if after is None:
            return found


def _note(found: Replay, entry: Entry, *, allowed: bool) -> None:
    group = found.groups.setdefault((entry.model, entry.key), Group())
    group.calls += 1
    if not allowed:
        group.refused += 1
        group.refused_usd = EXACT.add(group.refused_usd, entry.cost_usd or Decimal(0))
        if len(found.first) < FIRST_MAX:
            found.first.append(entry)


async def _spent_before(
    db: Database, tenant: str, limit: NewLimit, starts_at: datetime, since: datetime
) -> Decimal:
    async with db.tenant_transaction(tenant) as conn:
        return await store.ledger_cost(
            conn,
            tenant,
            holder=limit.holder,
            subject=limit.subject,
            model=limit.model,
            since=starts_at,
            until=since,
        )
