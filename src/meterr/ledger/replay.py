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
from meterr.ledger.limits.window import Window, window_at
from meterr.ledger.model import State
from meterr.ledger.reading import PAGE_ROWS_MAX, entries
from meterr.ledger.report import Entry

FIRST_MAX = 20
"""Refused calls that are shown one by one, the earliest first."""

_MINUTE = timedelta(minutes=1)


class Rule(msgspec.Struct, frozen=True):
    """A limit to replay; ``concerns`` says which calls draw from it."""

    measure: Measure
    span: Span
    amount: Decimal
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

    By what calls did use: a gateway reserves the most that a call can use, so close to a limit it
    refuses a little sooner.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._window: Window | None = None
        self._used = Decimal(0)
        self._minute: deque[tuple[datetime, int]] = deque()
        self._running: list[datetime] = []

    def allows(self, entry: Entry) -> bool:
        """Say whether the call would have passed; if so, it has drawn from the limit."""
        match self._rule.measure:
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
        window = self._window
        if window is None or (window.ends_at is not None and entry.at >= window.ends_at):
            self._window = window_at(self._rule.span, self._rule.time_zone, entry.at)
            self._used = Decimal(0)
        used = EXACT.add(self._used, entry.cost_usd or Decimal(0))
        if used > self._rule.amount:
            return False
        self._used = used
        return True

    def _start(self, entry: Entry) -> bool:
        while self._running and self._running[0] <= entry.at:
            heappop(self._running)
        if len(self._running) >= self._rule.amount:
            return False
        heappush(self._running, entry.at + timedelta(milliseconds=entry.duration_ms))
        return True

    def _pass(self, at: datetime, count: int) -> bool:
        minute = self._minute
        while minute and minute[0][0] + _MINUTE <= at:
            self._used -= minute.popleft()[1]
        if self._used + count > self._rule.amount:
            return False
        minute.append((at, count))
        self._used += count
        return True


async def replay(
    db: Database, tenant: str, rule: Rule, *, since: datetime, until: datetime
) -> Replay:
    """
    Replay a tenant's calls from ``since`` to ``until``, page by page, and write nothing.

    What was used earlier in the window that holds ``since`` counts, too. Calls that never left for
    a provider are left out.
    """
    judge, found = Judge(rule), Replay(groups={}, first=[])
    after: str | None = None
    start = _start_of(rule, since)
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
                found.unpriced += rule.measure is Measure.USD and entry.cost_usd is None
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


def _start_of(rule: Rule, since: datetime) -> datetime:
    if rule.span is Span.MINUTE:
        return since - _MINUTE
    if rule.measure is not Measure.USD or rule.span is Span.TOTAL:
        return since
    return window_at(rule.span, rule.time_zone, since.astimezone(UTC)).starts_at
