"""What a window does with leases, told again slowly, and calls that are simply written down."""

from dataclasses import dataclass, field
from decimal import Decimal

from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.ledger.limits.account import Account
from meterr.ledger.limits.lease import Cooling
from meterr.ledger.limits.store import Lent, Wish
from meterr.ledger.limits.window import EPOCH, Window

TENANT = "0199aaaa-0000-7000-8000-00000000000a"
LIMIT = "0199aaaa-0000-7000-8000-0000000000ff"
SPANS = {
    Measure.USD: Span.TOTAL,
    Measure.REQUESTS: Span.MINUTE,
    Measure.TOKENS: Span.MINUTE,
    Measure.CONCURRENCY: Span.CALL,
}
LEASE_S, COOLED_S = 30.0, 65.0


def limit(measure: Measure, amount: int | str, *, hard: bool = True) -> Limit:
    """A limit of ``amount`` units; of dollars, units are 10**-18."""
    value = Decimal(amount).scaleb(-18) if measure is Measure.USD else Decimal(amount)
    return Limit(LIMIT, measure, Holder.TENANT, SPANS[measure], value, hard=hard)


def account(rule: Limit) -> Account:
    return Account(rule, TENANT, "UTC", Window(EPOCH, None))


@dataclass
class Row:
    """One lease as the window has it."""

    lease_id: int
    process: str
    granted: int = 0
    returned: int = 0
    expires_at: float = 0.0


@dataclass
class Pool:
    """
    One window; ``exchange`` is meterr.exchange_lease, line by line.

    ``taken`` begins with what its calls had cost before anybody drew from it.
    """

    rule: Limit
    amount: int
    taken: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    made: int = 0
    closed: set[str] = field(default_factory=set)

    def exchange(self, wish: Wish, now: float) -> Lent | None:
        """Answer; None to a process that is closed."""
        if wish.process in self.closed:
            return None
        self._reclaim(wish.process, now)
        row = self.rows.get(wish.process)
        if row is None:
            self.made += 1
            row = self.rows[wish.process] = Row(self.made, wish.process)
        known = wish.known_granted if wish.lease_id == row.lease_id else 0
        if wish.lease_id == row.lease_id:
            back = min(max(row.returned, wish.parted_with), row.granted) - row.returned
            row.returned += back
            self.taken -= back
        if row.granted == known:
            remaining = self.amount - self.taken - wish.owed
            lent = wish.owed + self._slice(wish, remaining)
            row.granted += lent
            self.taken += lent
        row.expires_at = now + LEASE_S
        return Lent(row.lease_id, row.granted, self.amount - self.taken)

    def close(self, process: str, spent: int, now: float) -> None:
        """meterr.close_process, which knows from the ledger what was spent."""
        self.closed.add(process)
        row = self.rows.get(process)
        if row is None:
            return
        if self.rule.measure in (Measure.USD, Measure.CONCURRENCY):
            del self.rows[process]
            self.taken -= row.granted - row.returned - spent
        else:
            row.expires_at = min(row.expires_at, now)

    def held(self) -> int:
        return sum(row.granted - row.returned for row in self.rows.values())

    def _slice(self, wish: Wish, remaining: int) -> int:
        if not self.rule.hard:
            return wish.want
        if remaining < wish.least_need:
            return 0
        # PostgreSQL's trunc() goes towards zero, and so does this.
        eighth = int(Decimal(remaining) / 8)
        return min(remaining, max(wish.need, min(wish.want, eighth)))

    def _reclaim(self, asking: str, now: float) -> None:
        if self.rule.measure is Measure.USD:
            return
        for row in list(self.rows.values()):
            if row.process != asking and row.expires_at < now - COOLED_S:
                self.taken -= row.granted - row.returned
                del self.rows[row.process]


@dataclass
class Call:
    """One call, written down when it was let through, and again when it left."""

    process: str
    at: float
    reserved: int
    cooling: Cooling | None
    used: int | None = None  # None while it runs
    has_left: bool = False

    @property
    def counts(self) -> int:
        return self.reserved if self.used is None else self.used
