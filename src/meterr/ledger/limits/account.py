"""One window of one limit as this process knows it: its lease, and what the window last said."""

import asyncio
import math
from typing import Final

from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.ledger.limits.lease import RATE_SPAN_S, Cooling, Lease, slice_of, spare_of
from meterr.ledger.limits.model import NATURE, NO_TENANT, PLACE, LimitState, amount_of, units
from meterr.ledger.limits.store import Lent, Wish
from meterr.ledger.limits.window import EPOCH, Window

# The database keeps a lease for 30 s from when it renewed it; ours ends earlier by what clocks may
# differ in pace.
_VALID_S: Final = 25.0
_IDLE_TICKS: Final = 5
FOREVER_MS: Final = 1 << 62


class Account:
    """
    What is held of one window, by whom it is waited for, and how much remained when last asked.

    ``needs`` are those of the calls that wait; ``begun`` and ``answered`` number the exchanges, so
    that a call knows whether one began after it started to wait.
    """

    __slots__ = (
        "amount",
        "answered",
        "begun",
        "ends_at",
        "ends_ms",
        "flight",
        "heard",
        "idle_ticks",
        "in_force",
        "lease",
        "limit",
        "measure",
        "moved",
        "needs",
        "parting",
        "place",
        "planned",
        "remaining",
        "spare",
        "starts_at",
        "starts_ms",
        "tenant_id",
        "told",
        "valid_until",
        "zone",
    )

    def __init__(self, limit: Limit, tenant_id: str, zone: str, window: Window) -> None:
        self.limit = limit
        self.measure = limit.measure
        self.place = PLACE[limit.measure]
        self.tenant_id = NO_TENANT if limit.holder is Holder.UPSTREAM else tenant_id
        self.zone = zone
        self.starts_at, self.ends_at = window
        self.starts_ms = _unix_ms(window, 0)
        self.ends_ms = _unix_ms(window, 1)
        self.amount = units(limit.measure, limit.amount)
        self.lease = Lease(NATURE[limit.measure])
        self.in_force = True
        self.remaining = 0
        self.spare = 0  # kept ready for calls to come; what is more goes back
        self.told = self.heard = 0  # of what was returned: said to the window, and heard there
        self.parting = False  # nobody has drawn from this for some time, or ever will
        self.valid_until = -math.inf  # nothing is held yet
        self.needs: list[int] = []
        self.begun = self.answered = 0
        self.flight: asyncio.Task[Exception | None] | None = None
        self.planned: asyncio.TimerHandle | None = None
        self.moved = False
        self.idle_ticks = 0

    def adopt(self, limit: Limit, zone: str, window: Window) -> None:
        """Hold to the rule as it is now; what was lent under a higher amount goes back."""
        amount = units(limit.measure, limit.amount)
        if amount < self.amount or (limit.hard and not self.limit.hard):
            self.lease.give_back()
            self.spare = 0
        self.remaining += amount - self.amount
        self.amount, self.limit, self.zone = amount, limit, zone
        self.ends_at, self.ends_ms = window.ends_at, _unix_ms(window, 1)

    def serves(self, limit: Limit, zone: str, at_unix_ms: int) -> bool:
        """Tell whether this is the window of that time, under the rule as it is now."""
        known = self.limit
        return (
            self.starts_ms <= at_unix_ms < self.ends_ms
            and (known is limit or (known.amount == limit.amount and known.hard is limit.hard))
            and (self.zone == zone or self.ends_ms == FOREVER_MS)
        )

    def take(self, need: int, now: float) -> "Part | None":
        """Reserve ``need`` of what is ready; None when it is not, or may no longer be ours."""
        if now >= self.valid_until:
            return None
        self.moved = True
        lease = self.lease
        return (self, need, lease.newest) if lease.take(need, now) else None

    def draw(self, need: int, now: float) -> "Part | None":
        """Reserve ``need`` whether or not it is ready; None when nothing is known of the window."""
        if now >= self.valid_until:
            return None
        self.moved = True
        self.lease.draw(need, now)
        return self, need, self.lease.newest

    def wish(self, process: str, now: float) -> Wish:
        """
        Begin an exchange and return what to say in it.

        Whoever waits here comes first; otherwise what is not in use goes back.
        """
        self.begun += 1
        lease = self.lease
        lease.thaw(now)
        waiting = sum(self.needs)
        need = max(waiting - lease.surplus, 0)
        short = need > 0 or (lease.owed > 0 and not self.limit.hard)
        if not waiting:
            lease.give_back(0 if self.parting else self.spare // 2)
            self.parting = False
        self.told = lease.returned
        return Wish(
            measure=self.measure,
            tenant_id=self.tenant_id,
            limit_id=self.limit.limit_id,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            process=process,
            lease_id=lease.lease_id,
            known_granted=lease.granted,
            parted_with=lease.returned,
            owed=lease.owed,
            want=max(slice_of(self.amount), need) if short else 0,
            need=need,
            least_need=max(min(self.needs) - lease.surplus, 0) if need else 0,
        )

    def learn(self, lent: Lent | None, number: int, asked_at: float) -> None:
        """Take in the answer to exchange ``number``, which was asked at ``asked_at``."""
        self.answered = number
        if lent is None:
            self.in_force = False
            self.valid_until = -math.inf
            return
        self.lease.learn(lent.lease_id, lent.granted)
        self.heard = min(self.told, self.lease.returned)
        self.remaining = lent.remaining
        self.spare = spare_of(self.amount, lent.remaining)
        self.valid_until = math.inf if self.measure is Measure.USD else asked_at + _VALID_S

    def lapse(self) -> None:
        """Use nothing of what is held any more: it is not ours."""
        self.valid_until = -math.inf

    def renewed(self, leases: set[int], asked_at: float) -> None:
        """Take in which leases were renewed; one that was not is no longer ours."""
        until = asked_at + _VALID_S
        if self.measure is Measure.USD or self.lease.lease_id is None or self.valid_until >= until:
            return
        self.valid_until = until if self.lease.lease_id in leases else -math.inf

    def tick(self) -> bool:
        """Tell, once a second, whether the window should hear from us."""
        self.idle_ticks = 0 if self.moved else self.idle_ticks + 1
        self.moved = False
        self.parting = self.idle_ticks >= _IDLE_TICKS
        return self.is_unsettled or self.is_unheard or (self.parting and self.lease.ready > 0)

    @property
    def is_unheard(self) -> bool:
        """Whether something was given back that the window may not know of."""
        return self.heard != self.lease.returned

    @property
    def is_unsettled(self) -> bool:
        """Whether the window should hear of what was used too much, or is not needed here."""
        return not 0 <= self.lease.ready <= self.spare

    def state(self, now: float, now_ms: int) -> LimitState:
        """Return what is left, as far as this process knows."""
        lease = self.lease
        lease.thaw(now)
        left = max(min(self.remaining + lease.surplus, self.amount), 0)
        return LimitState(self.limit, amount_of(self.measure, left), self._resets_in(now, now_ms))

    def _resets_in(self, now: float, now_ms: int) -> float:
        if self.limit.span is Span.MINUTE:
            ours = self.lease.cooled_in(now)
            return ours if ours or self.remaining >= self.amount else RATE_SPAN_S
        if self.limit.span is Span.CALL:
            return 0.0
        return math.inf if self.ends_ms == FOREVER_MS else max(self.ends_ms - now_ms, 0) / 1000


def _unix_ms(window: Window, edge: int) -> int:
    at = window[edge]
    return FOREVER_MS if at is None else int((at - EPOCH).total_seconds() * 1000)


# What one limit gave: of which account, how much, and where that cools. A plain tuple, since each
# call makes one for each limit.
Part = tuple[Account, int, Cooling | None]
