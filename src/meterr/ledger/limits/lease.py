"""What one process holds of one window, in whole units. Pure: the time is an argument."""

from collections import deque
from enum import Enum, auto
from typing import Final

RATE_SPAN_S = 60.0
# Permits used within this time cool together, by the later time: it bounds the memory of a lease.
_COOL_TOGETHER_S = 0.05
_SLICES = 64  # the share of a limit that a process asks for at once


class Nature(Enum):
    """What becomes of the units that a call used."""

    SPENT = auto()  # money: gone
    COOLS = auto()  # a rate: back when RATE_SPAN_S have passed since the call left
    RUNS = auto()  # concurrency: back when the call has ended


_COOLS: Final = Nature.COOLS
_SPENT: Final = Nature.SPENT


class Cooling:
    """Units of a rate that were used at about one time."""

    __slots__ = ("amount", "over", "since", "until")

    def __init__(self, now: float) -> None:
        self.amount = 0
        self.since = now
        self.until = now + RATE_SPAN_S
        self.over = False


def slice_of(amount: int) -> int:
    """
    Return what a process asks for at once, unless its calls need more: a 64th of the limit.

    The window then lends at most an eighth of what remains in it, unless the need is more: so
    slices shrink towards the limit until each call asks for itself.
    """
    return amount // _SLICES


def spare_of(amount: int, remaining: int) -> int:
    """
    Return how much a process may keep ready for calls to come: two slices.

    Nothing when less than a quarter of the limit remains, or when slices are no whole unit: then
    what is not in use goes back at the end of each call.
    """
    return 0 if remaining * 4 < amount else 2 * slice_of(amount)


class Lease:
    """
    What a process took from a window, and where it is now.

    At any time ``granted - returned == ready + in_use + spent + cooling``. ``ready`` is negative
    when calls used more than was reserved, or a limit was soft: then nothing can be taken until the
    window has granted what is ``owed``. ``granted`` is the window's word; ``returned`` is ours, and
    what it names is never used again, whether or not the window has heard of it.
    """

    __slots__ = (
        "_cooling",
        "cooling",
        "granted",
        "in_use",
        "lease_id",
        "nature",
        "newest",
        "ready",
        "returned",
        "spent",
    )

    def __init__(self, nature: Nature) -> None:
        self.nature = nature
        self.lease_id: int | None = None
        self.granted = 0
        self.returned = 0
        self.ready = 0
        self.in_use = 0
        self.spent = 0
        self.cooling = 0
        self._cooling: deque[Cooling] = deque()
        self.newest: Cooling | None = None  # where what was taken last cools, if it does

    @property
    def owed(self) -> int:
        """What was used and is not granted yet."""
        return -self.ready if self.ready < 0 else 0

    @property
    def surplus(self) -> int:
        """What could go back at once."""
        return max(0, self.ready)

    def take(self, amount: int, now: float) -> bool:
        """Reserve ``amount`` if it is ready; else change nothing and return False."""
        if self._cooling and self._cooling[0].until <= now:
            self.thaw(now)
        if amount > self.ready:
            return False
        self.draw(amount, now)
        return True

    def draw(self, amount: int, now: float) -> None:
        """Reserve ``amount`` whether or not it is ready; of a rate it cools from now on."""
        self.ready -= amount
        if self.nature is not _COOLS:
            self.in_use += amount
            return
        last = self.newest
        if last is None or last.over or now > last.since + _COOL_TOGETHER_S:
            last = self.newest = Cooling(now)
            self._cooling.append(last)
        last.until = now + RATE_SPAN_S
        last.amount += amount
        self.cooling += amount

    def leave(self, amount: int, cooling: Cooling, now: float) -> "Cooling | None":
        """
        Let ``amount``, taken a while ago, cool from now on; return what to name from now on.

        What was ready again already is drawn once more, be it ready or not.
        """
        if not cooling.over and now <= cooling.since + _COOL_TOGETHER_S:
            cooling.until = now + RATE_SPAN_S
            return cooling
        self.settle(amount, 0, cooling)
        self.draw(amount, now)
        return self.newest

    def settle(self, reserved: int, used: int, cooling: Cooling | None) -> None:
        """
        End a call that used ``used``, be it less or more than was reserved for it.

        Of a rate whose time is over already nothing moves: it is ready again, or was given back.
        """
        if cooling is not None:
            if not cooling.over:
                cooling.amount += used - reserved
                self.cooling += used - reserved
                self.ready += reserved - used
            return
        self.in_use -= reserved
        if self.nature is _SPENT:
            self.spent += used
            self.ready += reserved - used
        else:
            self.ready += reserved

    def thaw(self, now: float) -> None:
        """Make ready what has cooled."""
        while self._cooling and self._cooling[0].until <= now:
            cooled = self._cooling.popleft()
            cooled.over = True
            self.cooling -= cooled.amount
            self.ready += cooled.amount

    def give_back(self, keep: int = 0) -> None:
        """Part with what is ready beyond ``keep``."""
        if self.ready > keep:
            self.returned += self.ready - keep
            self.ready = keep

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held that could still move."""
        return not (self.ready or self.in_use or self.cooling)

    def learn(self, lease_id: int, granted: int) -> None:
        """
        Take in the window's word: ``granted`` in total, under this id.

        Another id than before means that the window counted us for dead: nothing of what we held is
        ours any more. What runs on is then owed to it.
        """
        if self.lease_id is not None and lease_id != self.lease_id:
            self._forget()
        self.lease_id = lease_id
        self.ready += granted - self.granted
        self.granted = granted

    def ready_in(self, amount: int, now: float) -> float | None:
        """Return after how many seconds ``amount`` will be ready without the window, if ever."""
        ready = self.ready
        if ready >= amount:
            return 0.0
        for cooling in self._cooling:
            ready += cooling.amount
            if ready >= amount:
                return max(cooling.until - now, 0.0)
        return None

    def cooled_in(self, now: float) -> float:
        """Return after how many seconds nothing cools any more."""
        return max(self._cooling[-1].until - now, 0.0) if self._cooling else 0.0

    def _forget(self) -> None:
        for cooling in self._cooling:
            cooling.over = True
        self._cooling.clear()
        self.granted = self.returned = self.spent = self.cooling = 0
        self.ready = -self.in_use
