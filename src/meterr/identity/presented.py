"""The API key that a request presents: where it stands, whose it is, what it may."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Scope
from meterr.core.http.client_address import client_address
from meterr.core.principal import Principal
from meterr.core.principal import Scope as KeyScope
from meterr.core.telemetry import RequestLine
from meterr.identity.authenticator import Authenticator
from meterr.identity.client import Client

PREFIX: Final = b"sk-meterr_"
_BEARER: Final = b"bearer "


class ScopeMissing(MeterrError):
    """The key is valid but may not use this surface."""

    code: ClassVar[str] = "scope-missing"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "Not permitted"


def presented_key(known: Mapping[bytes, bytes]) -> bytes:
    """
    Return the caller's key from ``Authorization: Bearer`` or ``x-api-key``, or nothing.

    Both are read on every route, because SDKs of either family let people choose. When both are
    there, the one that looks like a key of ours counts: agents send tokens of their own beside it.
    """
    api_key = known.get(b"x-api-key", b"").strip()
    authorization = known.get(b"authorization", b"")
    if authorization[:7].lower() != _BEARER:
        return api_key
    bearer = authorization[7:].strip()
    if not bearer.startswith(PREFIX) and api_key.startswith(PREFIX):
        return api_key
    return bearer or api_key


async def authenticated(
    authenticator: Authenticator, scope: Scope, known: Mapping[bytes, bytes], line: RequestLine
) -> Principal:
    """Return who calls, from memory when that can be trusted, and note it in the log line."""
    presented = presented_key(known)
    client = Client(partial(client_address, scope), known.get(b"user-agent", b""))
    principal = authenticator.warm(presented, client)
    if principal is None:
        principal = await authenticator.authenticate(presented, client)
    line.tenant_id = principal.tenant_id
    line.key_id = principal.key_id
    return principal


def require_key_scope(principal: Principal, scope: KeyScope) -> None:
    """Refuse a key without ``scope``."""
    if scope not in principal.scopes:
        raise ScopeMissing(f"This key lacks the scope '{scope.value}'. Use a key that has it.")
