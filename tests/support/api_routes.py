"""The routes of a running meterr, from its own OpenAPI document."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from support.api_house import ApiHouse, told

TENANT = "x-meterr-tenant"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Described:
    """One route as the document describes it."""

    method: str
    template: str
    said: Any

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def is_open(self) -> bool:
        return not self.said["security"]

    @property
    def is_tenants(self) -> bool:
        return "{tenant_id}" in self.template or self.takes_tenant

    @property
    def takes_tenant(self) -> bool:
        """Whether a header names the tenant that it is about."""
        return TENANT in [each["name"].lower() for each in self.said.get("parameters", ())]

    @property
    def key_scope(self) -> str | None:
        """The scope with which an API key may call it."""
        scope: str | None = self.said.get("x-key-scope")
        return scope

    @property
    def is_unsafe(self) -> bool:
        return self.method in UNSAFE

    def headers(self, tenant_id: str) -> dict[str, str]:
        """Return the headers that make a request about ``tenant_id``, where the path does not."""
        return {TENANT: tenant_id} if self.takes_tenant else {}

    def path(self, tenant_id: str) -> str:
        """Return a path of this route: things of ``tenant_id`` that do not exist."""
        return _PARAMETER.sub(
            lambda found: (
                tenant_id if found[1] == "tenant_id" else str(uuid.UUID(int=7, version=4))
            ),
            self.template,
        )


def described(api: ApiHouse) -> list[Described]:
    """Return every route of the API."""
    document = told(api.send("GET", "/api/v1/openapi.json"))
    return [
        Described(method.upper(), path, said)
        for path, methods in sorted(document["paths"].items())
        for method, said in sorted(methods.items())
    ]
