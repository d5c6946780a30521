"""How a request is written: pure, and nothing in it can end a line early."""

from collections.abc import Sequence
from typing import Final, Self

from meterr.gateway.upstream.errors import UnsendableRequest

# translate(None, allowed) leaves exactly the forbidden bytes: one C call, however long the input.
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_VALUE: Final = bytes(
    byte for byte in range(256) if (byte >= 0x20 and byte != 0x7F) or byte == 0x09
)
_TARGET: Final = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})

OWNED: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that decide where a message ends or what becomes of the connection: ours alone."""


class HeaderBlock:
    """Header lines, checked once, sent many times. Made only by ``of`` and ``plus``."""

    __slots__ = ("encoded",)

    encoded: bytes

    @classmethod
    def of(cls, headers: Sequence[tuple[bytes, bytes]]) -> Self:
        """Check and encode; UnsendableRequest for a malformed name or value, or a name of OWNED."""
        block = cls.__new__(cls)
        block.encoded = encode_headers(headers)
        return block

    def plus(self, headers: Sequence[tuple[bytes, bytes]]) -> Self:
        """Return a block of these lines followed by ``headers``, checked alike."""
        block = type(self).__new__(type(self))
        block.encoded = self.encoded + encode_headers(headers)
        return block


def encode_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return ``headers`` as lines, order and case kept. Errors show no value: it may be secret."""
    if not headers:
        return b""
    names = [name.lower() for name, _ in headers]
    if b"".join(names).translate(None, _TOKEN) or b"" in names:
        raise UnsendableRequest("A header name is empty or holds a forbidden character.")
    if not OWNED.isdisjoint(names):
        taken = min(OWNED.intersection(names)).decode()
        raise UnsendableRequest(f"The transport alone writes {taken}.")
    lines = b"\r\n".join([b": ".join(header) for header in headers]) + b"\r\n"
    # Of all control characters only our own line ends may be left.
    if lines.translate(None, _VALUE) != b"\r\n" * len(names):
        raise UnsendableRequest("A header value holds a control character.")
    return lines


def encode_head(
    method: bytes,
    target: bytes,
    host_line: bytes,
    headers: HeaderBlock | Sequence[tuple[bytes, bytes]],
    body_length: int,
) -> bytes:
    """
    Return the head of a request, the empty line included.

    ``target`` is in origin form (``/path?query``); ``host_line`` is the version and
    the Host header with their line ends: the same for every request to an origin.
    """
    if method not in METHODS:
        raise UnsendableRequest("The method is not one that we send.")
    if target[:1] != b"/" or target.translate(None, _TARGET):
        raise UnsendableRequest("The target must be a path of visible ASCII characters.")
    lines = headers.encoded if isinstance(headers, HeaderBlock) else encode_headers(headers)
    if body_length or method in _WITH_BODY:
        length = b"Content-Length: %d\r\n\r\n" % body_length
        return b"".join((method, b" ", target, host_line, lines, length))
    return b"".join((method, b" ", target, host_line, lines, b"\r\n"))
