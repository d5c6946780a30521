"""Which headers cross: the caller's to the provider, the provider's to the caller."""

from meterr.core.http.asgi import Headers

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
        b"cache-control",
    }
)
_RETURNED_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


def forwarded(headers: Headers, *, call_id: str, accept_encoding: bytes) -> Headers:
    """
    Return the headers for the provider.

    Unknown headers cross unchanged (``anthropic-beta``, ``openai-organization``, ...). Header
    fields that ``Connection`` names are dropped too.
    """
    hop = _named_by_connection(headers)
    crossing = [pair for pair in headers if pair[0] not in _NOT_FORWARDED and pair[0] not in hop]
    crossing.append((b"accept-encoding", accept_encoding))
    crossing.append((b"x-meterr-request-id", call_id.encode()))
    return crossing


def returned(headers: Headers) -> Headers:
    """Return the provider's headers that the caller may see: an allow-list; new ones stay out."""
    return [
        pair for pair in headers if pair[0] in _RETURNED or pair[0].startswith(_RETURNED_PREFIXES)
    ]


def value_of(headers: Headers, wanted: bytes) -> bytes:
    """Return the first value of ``wanted`` (lower case), or nothing."""
    for name, value in headers:
        if name == wanted:
            return value
    return b""


def accepts_gzip(headers: Headers) -> bool:
    """Say whether the caller can read a gzip answer: the one coding that meterr can read along."""
    return b"gzip" in value_of(headers, b"accept-encoding")


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    value = value_of(headers, b"connection")
    if not value or value.lower() in (b"keep-alive", b"close"):
        return frozenset()
    return frozenset(name.strip().lower() for name in value.split(b","))
