"""One side of an upstream: where its dialect lives, over which connections, with which credential."""

from dataclasses import dataclass

from meterr.gateway.surfaces import Family, Surface
from meterr.gateway.upstream import Answer, UpstreamPool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    A base URL's connections and its credential line.

    ``base_path`` has no trailing slash. ``credential_line`` is a whole header line with CRLF, or
    empty for endpoints without a credential; it is hidden from repr.
    """

    pool: UpstreamPool
    base_path: bytes
    credential_line: bytes

    def __repr__(self) -> str:
        return f"Endpoint({self.base_path!r})"

    async def send(self, surface: Surface, query: bytes, headers: bytes, body: bytes) -> Answer:
        """Send one call; ``headers`` is a block of lines, each ending in CRLF."""
        target = self.base_path + surface.upstream_path
        if query:
            target = b"%b?%b" % (target, query)
        return await self.pool.send(b"POST", target, self.credential_line + headers, body)


def credential_line(family: Family, credential: str) -> bytes:
    """Return the header line by which this family's providers know us."""
    secret = credential.encode("ascii")
    if not secret.isascii() or not all(33 <= byte <= 126 for byte in secret):
        raise ValueError("a provider credential holds printable ASCII without spaces")
    if family is Family.ANTHROPIC:
        return b"x-api-key: %b\r\n" % secret
    return b"authorization: Bearer %b\r\n" % secret
