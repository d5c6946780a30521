"""How often tools of one kind can be used, and the numbers that say so."""

from math import ceil


class Uses:
    """How often tools of one kind can be used: as often as told, if every one of them is told."""

    __slots__ = ("_known", "_seen", "_told")

    def __init__(self) -> None:
        self._told = 0
        self._seen, self._known = False, True

    def add(self, told: int | None) -> None:
        """Note a tool that can be used ``told`` times, None for a tool without a bound."""
        self._seen = True
        if told is None:
            self._known = False
        else:
            self._told += told

    def most(self, together: int, room: int | None) -> int | None:
        """Return the most uses: those told, plus ``together``; ``room`` where one is not told."""
        if not self._seen:
            return 0
        return self._told + together if self._known else room


def count_of(value: object) -> int | None:
    """Read a whole number that is not negative, however it is written; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return None
    return ceil(value)
