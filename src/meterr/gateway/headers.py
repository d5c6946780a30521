"""Which headers cross: the caller's to the provider, the provider's to the caller."""

from collections.abc import Mapping

from meterr.core.http.asgi import Headers, Scope
from meterr.core.http.web import KNOWN

Known = Mapping[bytes, bytes]

_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close"})

_NOT_FORWARDED = frozenset(
    {
        # Credentials and state of the caller's side; the provider gets ours.
        b"authorization",
        b"x-api-key",
        b"cookie",
        b"proxy-authorization",
        # One hop only (RFC 9110, 7.6.1), or written by the transport itself.
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-connection",
        b"host",
        b"content-length",
        b"expect",
        b"accept-encoding",
        # Where the call came from is nobody's business upstream.
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"via",
        b"x-meterr-request-id",
    }
)

_RETURNED = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"x-request-id",
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"openai-processing-ms",
        b"openai-version",
        b"openai-model",
    }
)
_RETURNED_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


def acted_on(scope: Scope) -> Known:
    """Return the caller's headers that meterr itself reads; of several alike, the last."""
    known: Known = scope[KNOWN]
    return known


def forwarded(headers: Headers, known: Known, *, call_id: str, may_gzip: bool) -> Headers:
    """
    Return the headers for the provider.

    Unknown headers cross unchanged (``anthropic-beta``, ``openai-organization``, ...). Header
    fields that ``Connection`` names are dropped too. Of codings only gzip is offered, if the
    caller takes it: the one that meterr can read along.
    """
    kept_back = _NOT_FORWARDED
    connection = known.get(b"connection")
    if connection is not None and connection.lower() not in _PLAIN_CONNECTION:
        kept_back = kept_back.union(_names_in(connection))
    crossing = [pair for pair in headers if pair[0] not in kept_back]
    gzip = may_gzip and b"gzip" in known.get(b"accept-encoding", b"")
    crossing.append((b"accept-encoding", b"gzip" if gzip else b"identity"))
    crossing.append((b"x-meterr-request-id", call_id.encode()))
    return crossing


def returned(headers: Headers, rates: Headers) -> Headers:
    """
    Return the provider's headers that the caller may see: an allow-list; new ones stay out.

    ``rates`` are what is left of limits of our own; when there are any, the provider's, which are
    those of its contract with us, are kept back.
    """
    if rates:
        return [pair for pair in headers if pair[0] in _RETURNED] + rates
    return [
        pair
        for pair in headers
        if (name := pair[0]) in _RETURNED or name.startswith(_RETURNED_PREFIXES)
    ]


def _names_in(connection: bytes) -> list[bytes]:
    return [name.strip().lower() for name in connection.split(b",")]
