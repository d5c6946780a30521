"""The caller's credential: demanded in the provider's own style, recorded only as a digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from meterr.simulator.model import Dialect, Refused

_HEADERS = (
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "cookie",
)
_DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which credentials are let in: any but ``refused``, or none at all when not ``required``."""

    required: bool = True
    refused: frozenset[str] = frozenset()

    def check(self, dialect: Dialect, headers: Mapping[str, str]) -> None:
        """
        Demand ``Authorization: Bearer`` (openai), or that or ``x-api-key`` (anthropic).

        Anthropic takes both: the key in ``x-api-key`` is its API's style, the same key as a bearer
        token is what its Python SDK 2.x sends, and what Moonshot's clients send.
        Raises Refused 401; its message never repeats the credential.
        """
        presented = [_bearer(headers)]
        if dialect is Dialect.ANTHROPIC:
            presented.append(headers.get("x-api-key"))
        if self.required and not any(presented):
            raise Refused(401, _missing(dialect))
        if self.refused.intersection(presented):
            message = (
                "Incorrect API key provided." if dialect is Dialect.OPENAI else "invalid x-api-key"
            )
            raise Refused(401, message, code="invalid_api_key")


def digest(secret: str) -> str:
    """Return the short digest under which a credential appears in the call log."""
    return hashlib.sha256(secret.encode()).hexdigest()[:_DIGEST_DIGITS]


def digests(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each header that can carry a credential, the scheme left aside."""
    return {
        name: digest(headers[name].split(" ", 1)[-1].strip())
        for name in _HEADERS
        if name in headers
    }


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _missing(dialect: Dialect) -> str:
    if dialect is Dialect.OPENAI:
        return "You didn't provide an API key. Provide it as a Bearer token in Authorization."
    return "x-api-key header is required"
