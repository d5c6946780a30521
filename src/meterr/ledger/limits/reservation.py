"""What one call holds of its limits, from before it leaves until it is settled."""

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
            account.lease.lease_id
            for account, _, _ in self.parts
            if account.measure is Measure.USD and account.lease.lease_id is not None
        )

    @property
    def states(self) -> tuple[LimitState, ...]:
        """What is left of each limit now, in the order in which they were asked."""
        now, now_ms = self._clock.monotonic(), self._clock.unix_ms()
        return tuple(account.state(now, now_ms) for account, _, _ in self.parts)
