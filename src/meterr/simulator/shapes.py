"""The two families' error bodies and response headers."""

from datetime import UTC, datetime, timedelta

from meterr.simulator import sse
from meterr.simulator.model import Dialect, Json, Piece

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {429: "rate_limit_error"}


def error_type(dialect: Dialect, status: int) -> str:
    """Return the type a provider gives an error of ``status``."""
    if dialect is Dialect.ANTHROPIC:
        return _ANTHROPIC_TYPES.get(
            status, "invalid_request_error" if status < 500 else "api_error"
        )
    return _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def error_body(
    dialect: Dialect,
    kind: str,
    message: str,
    *,
    request_id: str,
    param: str | None = None,
    code: str | None = None,
) -> dict[str, Json]:
    """Return an error as the provider writes it."""
    if dialect is Dialect.ANTHROPIC:
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": request_id,
        }
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_event(dialect: Dialect, body: dict[str, Json]) -> Piece:
    """Frame an error that comes after a stream has begun."""
    return sse.named(body) if dialect is Dialect.ANTHROPIC else sse.unnamed(body)


def headers(
    dialect: Dialect, *, request_id: str, processing_ms: int, unix_ms: int
) -> dict[str, str]:
    """Return what a provider sends with every answer; the limits are always nearly untouched."""
    if dialect is Dialect.OPENAI:
        return {
            "x-request-id": request_id,
            "openai-organization": "simulator",
            "openai-processing-ms": str(processing_ms),
            "openai-version": "2020-10-01",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "30000000",
            "x-ratelimit-remaining-tokens": "29999000",
            "x-ratelimit-reset-tokens": "2ms",
        }
    reset = datetime.fromtimestamp(unix_ms // 1000, UTC) + timedelta(seconds=1)
    limits = {"request-id": request_id, "anthropic-organization-id": "simulator"}
    for what, limit in (
        ("requests", 10_000),
        ("input-tokens", 2_000_000),
        ("output-tokens", 400_000),
    ):
        limits[f"anthropic-ratelimit-{what}-limit"] = str(limit)
        limits[f"anthropic-ratelimit-{what}-remaining"] = str(limit - 1)
        limits[f"anthropic-ratelimit-{what}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%SZ}"
    return limits
