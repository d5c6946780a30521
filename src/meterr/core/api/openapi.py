"""The OpenAPI document: each route, what it needs, and every error that it may answer with."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import Response
from fastapi.openapi.utils import get_openapi

from meterr.core.api.allowance import TooManyRequests
from meterr.core.api.api import Api
from meterr.core.api.operation import TENANT_HEADER, Operation
from meterr.core.errors import (
    Invalid,
    MeterrError,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from meterr.core.http.body import BodyTooLarge, BodyTooSlow
from meterr.core.http.cross_origin import CrossOrigin
from meterr.core.policy import Forbidden, Open, ProofNeeded, Route

_PROBLEM: Final = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "description": "`urn:meterr:error:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and the way out."},
        "instance": {"type": "string", "description": "The request's id, as `urn:uuid:`."},
        "code": {"type": "string", "description": "Never changes; see the list of errors."},
        "param": {"type": "string", "description": "The field at fault, where there is one."},
        "reason": {"type": "string", "description": "Of questions: what is wrong, as a code."},
        "position": {
            "type": "object",
            "description": "Of questions in SQL: where. `offset` counts from 0, the others from 1.",
            "required": ["offset", "line", "column"],
            "properties": {
                "offset": {"type": "integer"},
                "line": {"type": "integer"},
                "column": {"type": "integer"},
            },
        },
    },
}
_ALWAYS: Final = (Invalid, TooManyRequests, Unavailable)
_WITH_BODY: Final = (BodyTooLarge, BodyTooSlow, UnsupportedMediaType)
_SIGNED_IN: Final = (Forbidden, ProofNeeded, NotFound)
_SCHEMES: Final = {
    "session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "key": {"type": "http", "scheme": "bearer", "bearerFormat": "sk-meterr_..."},
    "key_header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_WHOSE: Final = {
    "name": TENANT_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "format": "uuid"},
    "description": "The tenant that it is about; may be left out by a key, and by a person who is "
    "a member of one tenant only.",
}
_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class OpenApi:
    """The route that shows the document. It is made when somebody first asks for it."""

    def __init__(
        self,
        signed_in_errors: Sequence[type[MeterrError]] = (),
        key_errors: Sequence[type[MeterrError]] = (),
    ) -> None:
        self._errors = (signed_in_errors, key_errors)
        self._document = b""

    def describe(self, api: Api) -> None:
        """Say what the document is about: an API that has this route, too."""
        self._api = api

    async def show(self) -> Response:
        """Show this document."""
        if not self._document:
            made = await asyncio.to_thread(document, self._api, *self._errors)
            self._document = msgspec.json.encode(made)
        return Response(self._document, media_type="application/json")

    def operations(self) -> Iterator[Operation]:
        """Yield the route."""
        why = "It says what the published reference says, and nothing of this installation."
        path = Route("GET", "/api/v1/openapi.json")
        yield Operation(path, Open(why), self.show, "openapi.show", cookie=False)


def document(
    api: Api,
    signed_in_errors: Sequence[type[MeterrError]] = (),
    key_errors: Sequence[type[MeterrError]] = (),
) -> dict[str, Any]:
    """Return the document; the errors are those of whoever judges sessions, and keys."""
    made = get_openapi(
        title="meterr",
        version="1",
        summary="The management API of meterr.",
        routes=api.described,
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM
    made["components"]["securitySchemes"] = _SCHEMES
    for operation in api.operations:
        told = made["paths"][operation.route.path][operation.route.method.lower()]
        _complete(told, operation, tuple(signed_in_errors), tuple(key_errors))
    return made


def _complete(
    told: dict[str, Any],
    operation: Operation,
    signed_in: tuple[type[MeterrError], ...],
    keyed: tuple[type[MeterrError], ...],
) -> None:
    errors: list[type[MeterrError]] = [*_ALWAYS, *operation.errors]
    if operation.route.method in _UNSAFE:
        errors += [*_WITH_BODY, CrossOrigin]
    if operation.needs_session:
        errors += [*_SIGNED_IN, *signed_in]
        told["security"] = [{"session": []}]
        told["x-permission"] = str(operation.access)
        if operation.of_caller:
            told["parameters"] = [*told.get("parameters", ()), _WHOSE]
        if operation.key_scope is not None:
            errors += keyed
            told["security"] += [{"key": []}, {"key_header": []}]
            told["x-key-scope"] = operation.key_scope.value
    elif isinstance(operation.access, Open):
        told["security"] = []
        told["x-open"] = operation.access.why
    answers: dict[str, Any] = told["responses"]
    answers.pop("422", None)
    by_status: dict[int, set[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, set()).add(error.code)
    for status, codes in sorted(by_status.items()):
        answers[str(status)] = _problem(codes)
    answers["default"] = _problem(())


def _problem(codes: Sequence[str] | set[str] | tuple[()]) -> Mapping[str, Any]:
    told = ", ".join(f"`{code}`" for code in sorted(codes)) or "Any other problem"
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": told, "content": {"application/problem+json": {"schema": schema}}}
