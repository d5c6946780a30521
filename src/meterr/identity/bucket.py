"""How much work others may cause: so much at once, and so much per second. Pure."""


class Bucket:
    """Holds ``burst`` and fills by ``per_s`` each second of a monotonic clock."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def take(self, wanted: int, now: float) -> int:
        """Return how many of ``wanted`` are allowed at second ``now``, and count them."""
        if self._at is not None:
            filled = self._left + max(0.0, now - self._at) * self._per_s
            self._left = min(float(self._burst), filled)
        self._at = now if self._at is None else max(self._at, now)
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken
