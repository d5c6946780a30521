"""``GET /v1/models``: what this key may use, in the shape its caller's family expects."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

import msgspec

from meterr import identity, ledger
from meterr.core.errors import Invalid
from meterr.core.http.asgi import Receive, Scope, Send, answer
from meterr.core.principal import Principal
from meterr.core.principal import Scope as KeyScope
from meterr.core.telemetry import RequestLine
from meterr.gateway.headers import acted_on
from meterr.gateway.metering.request import MODEL_CHARS_MAX
from meterr.gateway.routing import ModelNotFound, Router
from meterr.gateway.surfaces import Family, family_of
from meterr.identity.presented import authenticated, require_key_scope

PREFIX = "/v1/models/"
_PAGE_DEFAULT = 20
_PAGE_MAX = 1000
_SMALL_NUMBER = re.compile("[0-9]{1,9}")
_CREATED = 0
_CREATED_AT = "1970-01-01T00:00:00Z"
"""When a provider published a model is not known here; both dialects require the field."""


class Models:
    """List and read models; both need a key with the scope ``models``."""

    def __init__(
        self, authenticator: identity.Authenticator, router: Router, prices: ledger.PriceBook
    ) -> None:
        self._authenticator = authenticator
        self._router = router
        self._prices = prices

    async def list(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer ``GET /v1/models``; Anthropic's callers page with limit, after_id, before_id."""
        principal = await self._principal(scope, line)
        family = family_of(scope["path"], scope["headers"])
        owners = self._served(principal, family)
        if family is Family.ANTHROPIC:
            tree = _anthropic_page(
                sorted(owners), parse_qs(scope["query_string"].decode("latin-1"))
            )
        else:
            tree = {
                "object": "list",
                "data": [_openai_model(name, owners[name]) for name in sorted(owners)],
            }
        await _send(send, line, tree)

    async def read(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer ``GET /v1/models/{id}``; a model the key may not use does not exist for it."""
        principal = await self._principal(scope, line)
        family = family_of(scope["path"], scope["headers"])
        name = scope["path"].removeprefix(PREFIX)
        if len(name) > MODEL_CHARS_MAX:
            raise ModelNotFound("The model's name is too long.", param="model")
        if not identity.allows_model(principal, name):
            raise ModelNotFound(f"The model '{name}' is not available to this key.", param="model")
        owner = self._router.route(family, name).provider
        tree = _anthropic_model(name) if family is Family.ANTHROPIC else _openai_model(name, owner)
        await _send(send, line, tree)

    async def _principal(self, scope: Scope, line: RequestLine) -> Principal:
        principal = await authenticated(self._authenticator, scope, acted_on(scope), line)
        require_key_scope(principal, KeyScope.MODELS)
        return principal

    def _served(self, principal: Principal, family: Family) -> Mapping[str, str]:
        """
        Return model name to provider: full names from the configuration, and the price book's
        names that a pattern of the configuration routes to that very provider.
        """
        found: dict[str, str] = {}
        for upstream in self._router.upstreams.values():
            if family not in upstream.families:
                continue
            names = {name for name in upstream.models if "*" not in name}
            for name in names | set(self._prices.models(upstream.provider)):
                if identity.allows_model(principal, name) and self._goes_to(family, name, upstream):
                    found[name] = upstream.provider
        return found

    def _goes_to(self, family: Family, name: str, upstream: object) -> bool:
        try:
            return self._router.route(family, name) is upstream
        except ModelNotFound:
            return False


def _openai_model(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}


def _anthropic_model(name: str) -> dict[str, object]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}


def _anthropic_page(names: Sequence[str], query: Mapping[str, Sequence[str]]) -> dict[str, object]:
    size = _page_size(query)
    after, before = query.get("after_id", [""])[0], query.get("before_id", [""])[0]
    left = [name for name in names if name > after and (not before or name < before)]
    page = left[-size:] if before else left[:size]
    return {
        "data": [_anthropic_model(name) for name in page],
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
        "has_more": len(left) > size,
    }


def _page_size(query: Mapping[str, Sequence[str]]) -> int:
    text = query.get("limit", [str(_PAGE_DEFAULT)])[0]
    if not _SMALL_NUMBER.fullmatch(text) or not 1 <= int(text) <= _PAGE_MAX:
        raise Invalid(f"limit: send a number from 1 to {_PAGE_MAX}.", param="limit")
    return int(text)


async def _send(send: Send, line: RequestLine, tree: object) -> None:
    line.status = 200
    headers = [
        (b"content-type", b"application/json"),
        (b"x-meterr-request-id", line.request_id.encode()),
    ]
    await answer(send, 200, headers, msgspec.json.encode(tree))
