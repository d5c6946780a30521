"""How many requests one caller may send in a minute, and how answers say what is left. Pure."""

from dataclasses import dataclass
from typing import Final

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Headers

WINDOW_S: Final = 60
REQUESTS: Final = "requests"
"""What most operations count as."""


class TooManyRequests(MeterrError):
    """A caller has sent as many requests as fit in a minute, of all or of this kind."""

    code, status, title = "too-many-requests", 429, "Too many requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"Too many requests in one minute. Try again in {retry_after_s} s.",
            retry_after_s=retry_after_s,
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    What one caller's window holds, the request that asks included.

    Args:
        quota: Requests that fit in a window of ``WINDOW_S`` seconds.
        requests: Requests since it began; more than ``quota`` once it is full.
        left_ms: Milliseconds until it ends.
        unit: What is counted; names the policy in headers.
    """

    quota: int
    requests: int
    left_ms: int
    unit: str = REQUESTS

    @property
    def resets_in_s(self) -> int:
        """Whole seconds until the next window, 1 to ``WINDOW_S``: never too early."""
        return min(WINDOW_S, max(1, -(-self.left_ms // 1000)))

    def require(self) -> None:
        """Raise TooManyRequests unless this request fits."""
        if self.requests > self.quota:
            raise TooManyRequests(self.resets_in_s)

    def headers(self) -> Headers:
        """Return ``RateLimit`` and ``RateLimit-Policy`` (IETF draft, structured fields)."""
        left, unit = max(0, self.quota - self.requests), self.unit.encode()
        return [
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (unit, self.quota, WINDOW_S)),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (unit, left, self.resets_in_s)),
        ]
