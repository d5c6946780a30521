"""One side of an upstream: its base URL's connections, and the credential that we show there."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from meterr.core.http.asgi import Headers
from meterr.gateway.surfaces import Family, Surface
from meterr.gateway.upstream import Answer, HeaderBlock, UpstreamPool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a dialect of an upstream lives. ``base_path`` has no trailing slash."""

    pool: UpstreamPool
    base_path: bytes
    credential: HeaderBlock = field(repr=False)
    secret: bytes = field(repr=False, default=b"")
    """The credential itself, to be kept back where a provider repeats it."""

    def send(
        self,
        surface: Surface,
        query: bytes,
        headers: Headers,
        body: bytes,
        *,
        leave: Callable[[], None],
        look_again: Callable[[], Awaitable[None]],
    ) -> Coroutine[None, None, Answer]:
        """
        Send one call; ``leave`` is called right before its first byte goes.

        When it has to wait for a connection, ``look_again`` is asked first, and may raise. Raises
        UpstreamError; its ``sent`` says whether it may have arrived.
        """
        target = self.base_path + surface.upstream_path
        if query:
            target = b"%b?%b" % (target, query)
        head = self.credential.plus(headers)
        return self.pool.send(b"POST", target, head, body, leave=leave, look_again=look_again)


def credential_block(family: Family, credential: str | None) -> HeaderBlock:
    """
    Return the header by which this family's providers know us; empty without a credential.

    Raises ValueError, without the credential in it, when it is no printable ASCII.
    """
    if credential is None:
        return HeaderBlock.of(())
    if not credential.isascii() or not all("!" <= letter <= "~" for letter in credential):
        raise ValueError("a provider credential holds printable ASCII without spaces")
    secret = credential.encode("ascii")
    if family is Family.ANTHROPIC:
        return HeaderBlock.of(((b"x-api-key", secret),))
    return HeaderBlock.of(((b"authorization", b"Bearer " + secret),))
