"""Where an answer ends: judged from its head alone, more strictly than RFC 9112 asks. Pure."""

from collections.abc import Sequence
from typing import Final

from meterr.gateway.upstream.errors import Refusal, UpstreamProtocolError
from meterr.gateway.upstream.limits import HEADERS_MAX, LENGTH_DIGITS_MAX

# Plain integers, not an enum: they are compared several times in every read.
NO_BODY: Final = 0
LENGTH: Final = 1
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3

UNKNOWN: Final = -1

_LINE_ENDS: Final = (b"\r", b"\n")
_ONE_LINE_TOO_MANY: Final = b"\r\n\r\n\r\n"
_BODILESS: Final = frozenset({204, 304})
_FRAMING_NAMES: Final = frozenset({b"content-length", b"transfer-encoding"})

Headers = list[tuple[bytes, bytes]]


def is_interim(status: int, headers: Headers) -> bool:
    """Tell a 1xx answer, to be skipped, from a final one; refuse 101, and a 1xx with a body."""
    if status >= 200:
        return False
    if status == 101:
        raise UpstreamProtocolError(
            Refusal.UPGRADE, "it switches protocols, which nobody asked for."
        )
    if status < 100:
        raise UpstreamProtocolError(Refusal.STATUS, "its status is below 100.")
    if not _FRAMING_NAMES.isdisjoint(dict(headers)):
        raise UpstreamProtocolError(Refusal.LENGTH, "a 1xx answer claims a body.")
    return True


def framing_of(status: int, headers: Headers) -> int:
    """
    Return how the body of a final answer ends; header names are lower-cased already.

    Refuses what two parsers could read differently: a length beside an encoding, two lengths (equal
    ones too), a length that is not plain digits, an encoding that is not exactly ``chunked``.
    """
    if status > 599:
        raise UpstreamProtocolError(Refusal.STATUS, "its status is above 599.")
    if len(headers) > HEADERS_MAX:
        raise UpstreamProtocolError(
            Refusal.HEADER_COUNT, f"it has more than {HEADERS_MAX} headers."
        )
    framing = UNTIL_CLOSE
    for name, value in headers:
        if name in _FRAMING_NAMES:
            if framing != UNTIL_CLOSE:
                raise UpstreamProtocolError(Refusal.LENGTH, "it says twice how long it is.")
            framing = _framing_by(name, value)
    return NO_BODY if status in _BODILESS else framing


def _framing_by(name: bytes, value: bytes) -> int:
    if name == b"content-length":
        value = value.rstrip(b" \t")
        if not value.isdigit() or len(value) > LENGTH_DIGITS_MAX:
            raise UpstreamProtocolError(Refusal.LENGTH, "its Content-Length is not a plain number.")
        return LENGTH
    if value.rstrip(b" \t").lower() != b"chunked":
        raise UpstreamProtocolError(
            Refusal.ENCODING, "its Transfer-Encoding is not exactly chunked."
        )
    return CHUNKED


def check_trailers(trailers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse too many trailers, and trailers that would have decided about framing as headers."""
    if len(trailers) > HEADERS_MAX:
        raise UpstreamProtocolError(Refusal.TRAILERS, f"it has more than {HEADERS_MAX} trailers.")
    if any(name in _FRAMING_NAMES for name, _ in trailers):
        raise UpstreamProtocolError(Refusal.TRAILERS, "a trailer speaks about framing.")


def ends_exactly(framing: int, read: bytes, head_bytes: int, body_bytes: int) -> bool:
    """
    Tell whether the read that completed an answer holds no stray line ends after it.

    llhttp swallows CR and LF between messages without a word; any other byte it reports itself.
    ``head_bytes`` and ``body_bytes`` say how much of ``read`` was head (UNKNOWN when the head began
    in an earlier read) and de-chunked body. May say False for an exact ending that was cut in an
    unusual place: that costs one connection, no more. Never says True for a stray byte.
    """
    if read[-1:] not in _LINE_ENDS:
        return True
    if framing == LENGTH:
        return head_bytes != UNKNOWN and len(read) == head_bytes + body_bytes
    if len(read) < len(_ONE_LINE_TOO_MANY):
        # Its first line end may be the answer's last; a second one only in the usual last chunk.
        return read == b"0\r\n\r\n" or read.find(b"\n") == len(read) - 1
    return read.endswith(b"\r\n\r\n") and not read.endswith(_ONE_LINE_TOO_MANY)
