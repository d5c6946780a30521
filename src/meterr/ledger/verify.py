"""What can be wrong with a ledger entry, judged from the entry and its price. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter

import msgspec

from meterr.core.ids import unix_ms_of
from meterr.core.money import EXACT, wire
from meterr.core.principal import UnknownPrice
from meterr.ledger.cost import Pricer
from meterr.ledger.model import PRICED_CLASSES, Price, State, Usage
from meterr.ledger.rates import is_unaltered
from meterr.ledger.verify_leases import LeaseSums, StoredPool

# Enough to start looking; the counts are always complete.
NAMED_PER_FAULT = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID_VERSION_AT = 14
_PARTIAL_USAGE = "usage-partial"
_priced_counts = attrgetter(*PRICED_CLASSES)


class Fault(StrEnum):
    """What verification finds. The names are API: scripts look for them."""

    COST_DIFFERS = "cost-differs"  # stored cost is not token vector times price
    PRICE_MISSING = "price-missing"  # the price version that the entry names is not there
    PRICE_ALTERED = "price-altered"  # its terms are not those its id was taken from
    COST_WITHOUT_PRICE = "cost-without-price"
    COST_WITHOUT_USAGE = "cost-without-usage"
    COST_OF_REFUSED = "cost-of-refused"
    TIME_DIFFERS = "time-differs"  # the id was not minted at the entry's time
    ID_REPEATED = "id-repeated"
    PRICE_FOREIGN = "price-foreign"  # the price version is another provider's
    TENANT_UNKNOWN = "tenant-unknown"  # entries of a tenant that does not exist
    KEY_UNKNOWN = "key-unknown"  # the tenant has no such key
    UNPARTITIONED = "unpartitioned"  # it lies in the default partition
    ROLLUP_DIFFERS = "rollup-differs"  # an hour's sums are not those of its entries
    DAY_DIFFERS = "day-differs"  # a day's sums are not those of its hours
    LEASE_DIFFERS = "lease-differs"  # a budget's lease spent something else than its entries drew
    POOL_DIFFERS = "pool-differs"  # a budget's window lent or spent something else than its leases
    PARTIAL = "partial"  # the bill holds work that the usage cannot say: the cost is a lower bound
    UNPRICED = "unpriced"  # no cost, though the tenant's calls need a price, and no reason given


# They say nothing against a stored figure: a day's partition was not there in time, a cost is known
# to be a lower bound, a call that began with a price ended in a tier or a class without one.
WARNINGS = frozenset({Fault.UNPARTITIONED, Fault.PARTIAL, Fault.UNPRICED})


class StoredEntry(msgspec.Struct, frozen=True):
    """Of an entry, what verification reads; ``key_known``: whether its tenant has its key."""

    id: str
    at: datetime
    key: str
    key_known: bool
    provider: str
    error: str
    price: str | None
    state: State
    usage: Usage | None
    cost_usd: Decimal | None
    unpartitioned: bool
    leases: tuple[int, ...] = ()
    drawn_usd: Decimal | None = None

    @property
    def drawn(self) -> Decimal | None:
        """US dollars drawn from each of ``leases``; None: nothing."""
        return self.cost_usd if self.drawn_usd is None else self.drawn_usd


class Difference(msgspec.Struct, frozen=True):
    """What sums should say, and what they say; equal figures here differ in how they are split."""

    raw_calls: Decimal | None
    raw_cost_usd: Decimal | None
    calls: Decimal | None
    cost_usd: Decimal | None

    def __str__(self) -> str:
        told = f"{self.calls or 0} calls, {_told(self.cost_usd)}"
        return f"{told}; should be {self.raw_calls or 0} calls, {_told(self.raw_cost_usd)}"


class Finding(msgspec.Struct, frozen=True):
    """
    One fault by name.

    ``entry`` is the entry's id, or the price id for an altered price, the hour or day (UTC) of
    sums, the lease or limit of a budget, or "" for an unknown tenant.
    """

    fault: Fault
    tenant: str  # "" for a price version, which belongs to all tenants
    entry: str
    detail: str


class LedgerReport(msgspec.Struct, frozen=True):
    """What a verification saw. ``counts`` is complete, ``named`` stops at NAMED_PER_FAULT each."""

    tenants: int
    entries: int
    hours: int  # with entries or sums; those that are not due were compared
    price_versions: int
    cost_usd: Decimal
    counts: Mapping[Fault, int]
    named: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether anything was found that speaks against the ledger."""
        return any(fault not in WARNINGS for fault in self.counts)


class Verification:
    """Gather findings over any number of tenants; memory does not grow with the ledger."""

    def __init__(self) -> None:
        self._prices: dict[str, tuple[str, Pricer | None]] = {}  # provider, and how it prices
        self._tenants = 0
        self._tenant_known = False
        self._price_needed = False
        self.entries = 0
        self.hours = 0
        self._cost_usd = Decimal(0)
        self._counts: dict[Fault, int] = {}
        self._named: list[Finding] = []

    def learn_prices(self, prices: Sequence[Price]) -> None:
        """Take in price versions; each is judged once, however often it is shown."""
        for price in prices:
            if price.id not in self._prices:
                self._prices[price.id] = price.provider, _pricer(price)
                if not is_unaltered(price):
                    detail = f"{price.provider} {price.model}: {price.source}"
                    self._note(Finding(Fault.PRICE_ALTERED, "", price.id, detail))

    def begin_tenant(self, tenant: str, unknown_price: UnknownPrice | None) -> None:
        """Turn to the entries of ``tenant``; no ``unknown_price``: no such tenant exists."""
        self._tenants += 1
        self._tenant_known = unknown_price is not None
        self._price_needed = unknown_price is UnknownPrice.REFUSE
        if unknown_price is None:
            self._note(Finding(Fault.TENANT_UNKNOWN, tenant, "", "entries of no tenant"))

    def inspect(self, tenant: str, entry: StoredEntry) -> bool:
        """Judge one entry; return True when its id and its time are not one fact."""
        self.entries += 1
        if entry.cost_usd is not None:
            self._cost_usd = EXACT.add(self._cost_usd, entry.cost_usd)
        misplaced = False
        for fault, detail in self._faults(entry):
            self._note(Finding(fault, tenant, entry.id, detail))
            misplaced = misplaced or fault is Fault.TIME_DIFFERS
        return misplaced

    def repeated(self, tenant: str, entry_ids: Sequence[str]) -> None:
        """Note ids that stand in the ledger more than once."""
        for entry_id in entry_ids:
            self._note(Finding(Fault.ID_REPEATED, tenant, entry_id, "more than one entry"))

    def compared(self, tenant: str, hour: datetime, difference: Difference | None) -> None:
        """Note what the comparison of an hour's sums with its entries found."""
        self.hours += 1
        if difference is not None:
            name = f"{hour:%Y-%m-%dT%H:%MZ}"
            self._note(Finding(Fault.ROLLUP_DIFFERS, tenant, name, str(difference)))

    def compared_day(self, tenant: str, day: datetime, difference: Difference | None) -> None:
        """Note what the comparison of a day's sums with those of its hours found."""
        if difference is not None:
            name = day.date().isoformat()
            self._note(Finding(Fault.DAY_DIFFERS, tenant, name, str(difference)))

    def drawn(self, tenant: str, sums: LeaseSums, pools: Sequence[StoredPool]) -> None:
        """Note what budgets say otherwise than the entries drawn from them."""
        for name, detail in sums.differences():
            self._note(Finding(Fault.LEASE_DIFFERS, tenant, name, detail))
        for pool in pools:
            for detail in pool.differences():
                self._note(Finding(Fault.POOL_DIFFERS, tenant, f"limit {pool.limit_id}", detail))

    def report(self) -> LedgerReport:
        """Return what was seen so far."""
        return LedgerReport(
            tenants=self._tenants,
            entries=self.entries,
            hours=self.hours,
            price_versions=len(self._prices),
            cost_usd=self._cost_usd,
            counts=dict(self._counts),
            named=tuple(self._named),
        )

    def _faults(self, entry: StoredEntry) -> Iterator[tuple[Fault, str]]:
        if entry.unpartitioned:
            yield Fault.UNPARTITIONED, f"in the default partition, at {entry.at.isoformat()}"
        if not _is_minted_at(entry.id, entry.at):
            yield Fault.TIME_DIFFERS, f"entered at {entry.at.isoformat()}"
        if self._tenant_known and not entry.key_known:
            yield Fault.KEY_UNKNOWN, f"key {entry.key}"
        if entry.error == _PARTIAL_USAGE:
            yield Fault.PARTIAL, f"at least {_told(entry.cost_usd)}"
        if entry.price is not None and entry.price not in self._prices:
            yield Fault.PRICE_MISSING, f"price version {entry.price}"
        else:
            yield from self._cost_faults(entry)

    def _cost_faults(self, entry: StoredEntry) -> Iterator[tuple[Fault, str]]:
        stored = _told(entry.cost_usd)
        if entry.state is State.REFUSED:
            if entry.cost_usd is not None:
                yield Fault.COST_OF_REFUSED, f"stored {stored}"
        elif entry.usage is None:
            if entry.cost_usd is not None:
                yield Fault.COST_WITHOUT_USAGE, f"stored {stored}"
        elif entry.price is None:
            if entry.cost_usd is not None:
                yield Fault.COST_WITHOUT_PRICE, f"stored {stored}"
        else:
            provider, pricer = self._prices[entry.price]
            if provider != entry.provider:
                yield Fault.PRICE_FOREIGN, f"a price of {provider}, a call to {entry.provider!r}"
            computed = None if pricer is None else pricer.cost(entry.usage)
            if computed != entry.cost_usd:
                yield Fault.COST_DIFFERS, f"stored {stored}, computed {_told(computed)}"
                return
        if self._price_needed and _is_unpriced(entry):
            yield Fault.UNPRICED, "tokens without a cost or a reason"

    def _note(self, finding: Finding) -> None:
        count = self._counts.get(finding.fault, 0)
        self._counts[finding.fault] = count + 1
        if count < NAMED_PER_FAULT:
            self._named.append(finding)


def _pricer(price: Price) -> Pricer | None:
    try:
        return Pricer(price)
    except ValueError:
        return None  # such a price gives no cost; its digest says whether it was ever ours


def _is_unpriced(entry: StoredEntry) -> bool:
    """Tell whether the call consumed something and has no cost, and says nothing about why."""
    if entry.state is State.REFUSED or entry.cost_usd is not None or entry.error:
        return False
    return entry.usage is not None and any(_priced_counts(entry.usage))


def _is_minted_at(entry_id: str, at: datetime) -> bool:
    minted = _EPOCH + timedelta(milliseconds=unix_ms_of(entry_id))
    return entry_id[_UUID_VERSION_AT] == "7" and minted == at


def _told(cost_usd: Decimal | None) -> str:
    return "no cost" if cost_usd is None else f"{wire(cost_usd)} USD"
