"""What one call holds of its limits, from before it leaves until it is settled."""

from collections.abc import Collection

from meterr.core.clock import Clock
from meterr.core.limits import Measure
from meterr.ledger.limits.account import Part
from meterr.ledger.limits.model import LimitState


class Reservation:
    """What a call may use. Belongs to the Limiter that made it; ended exactly once, by that."""

    __slots__ = ("_clock", "ended", "parts")

    def __init__(self, parts: list[Part], clock: Clock) -> None:
        self.parts = parts
        self.ended = False
        self._clock = clock

    @property
    def leases(self) -> tuple[int, ...]:
        """The leases its money comes from, for the journal."""
        return tuple(
            [
                account.lease.lease_id or 0
                for account, _, _ in self.parts
                if account.measure is Measure.USD
            ]
        )

    @property
    def states(self) -> tuple[LimitState, ...]:
        """What is left of each limit now, in the order in which they were asked."""
        return tuple(self.states_of(tuple(Measure)))

    def states_of(self, measures: Collection[Measure]) -> list[LimitState]:
        """Return what is left now of those limits that count one of ``measures``."""
        concerned = [account for account, _, _ in self.parts if account.measure in measures]
        if not concerned:
            return []
        now, now_ms = self._clock.monotonic(), self._clock.unix_ms()
        return [account.state(now, now_ms) for account in concerned]
