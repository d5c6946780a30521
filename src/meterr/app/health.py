"""``/healthz`` says the process lives; ``/readyz`` says what it can do right now."""

from collections.abc import Mapping

import msgspec

from meterr import identity, ledger
from meterr.app.price_overrides import PriceKeeper
from meterr.core.http.asgi import Receive, Scope, Send, answer
from meterr.core.http.route import Route
from meterr.core.telemetry import RequestLine
from meterr.ledger.limits import Limiter


class Health:
    """Two routes without a key, for load balancers and people. They name no version and no host."""

    def __init__(
        self,
        authenticator: identity.Authenticator,
        prices: PriceKeeper,
        journal: ledger.Journal,
        limiter: Limiter,
    ) -> None:
        self._authenticator = authenticator
        self._prices = prices
        self._journal = journal
        self._limiter = limiter

    def routes(self) -> dict[str, Route]:
        """Return both routes by path."""
        return {
            "/healthz": Route("healthz", {"GET": self.live}),
            "/readyz": Route("readyz", {"GET": self.ready}),
        }

    async def live(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer that the event loop turns."""
        await _send(send, line, 200, {"status": "ok"})

    async def ready(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer 200 when calls with any key can be served, 503 when not, and what is missing."""
        keys = self._authenticator.state
        prices = self._prices.loaded.is_set()
        closed = self._limiter.closed
        is_ready = keys is identity.Standing.LIVE and prices and not closed
        state = {
            "status": "ready" if is_ready else "degraded",
            "keys": keys.value,
            "prices": "loaded" if prices else "waiting for the database",
            "limits": "released: restart this process" if closed else "held",
            "open_calls": self._journal.open_calls,
        }
        await _send(send, line, 200 if is_ready else 503, state)


async def _send(send: Send, line: RequestLine, status: int, tree: Mapping[str, object]) -> None:
    line.status = status
    headers = [(b"content-type", b"application/json")]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await answer(send, status, headers, msgspec.json.encode(tree))
