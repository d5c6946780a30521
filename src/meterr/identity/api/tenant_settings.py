"""``/api/v1/tenants/{tenant_id}/settings``: what a tenant's own administrators may set of it."""

from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from pydantic import Field

from meterr.core.api import Asked, CallerHere, Operation, Shown
from meterr.core.policy import Permission
from meterr.core.principal import UnknownPrice
from meterr.identity.api.services import IdentityServices
from meterr.identity.model import Tenant
from meterr.identity.service import change_tenant, read_tenant

_PATH: Final = "/api/v1/tenants/{tenant_id}/settings"


class SettingsAsked(Asked):
    """What to change; what is left out stays."""

    unknown_price: Literal["refuse", "flag"] | None = None
    time_zone: str | None = Field(None, max_length=64)


class SettingsShown(Shown):
    """
    How a tenant's calls are treated.

    ``unknown_price`` is what becomes of calls whose price nobody knows. In ``time_zone`` the days,
    weeks and months of its budgets begin.
    """

    name: str
    unknown_price: str
    time_zone: str


class TenantSettingsRoutes:
    """Settings of a tenant. Its name and state are the platform's."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def show(self, tenant_id: str, caller: CallerHere) -> SettingsShown:
        """Show the settings of a tenant."""
        return _shown(await read_tenant(self._at.db, tenant_id))

    async def change(
        self, tenant_id: str, asked: SettingsAsked, caller: CallerHere
    ) -> SettingsShown:
        """Change settings of a tenant; budget windows that begin from now on follow its zone."""
        price = asked.unknown_price
        await change_tenant(
            self._at.db,
            tenant_id,
            unknown_price=None if price is None else UnknownPrice(price),
            time_zone=asked.time_zone,
        )
        return _shown(await read_tenant(self._at.db, tenant_id))

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, change = Permission.TENANT_SETTINGS_READ, Permission.TENANT_SETTINGS_CHANGE
        of = partial(Operation.of, "tenant_settings")
        yield of("GET", _PATH, read, self.show)
        yield of("PATCH", _PATH, change, self.change)


def _shown(tenant: Tenant) -> SettingsShown:
    return SettingsShown(
        name=tenant.name, unknown_price=tenant.unknown_price.value, time_zone=tenant.time_zone
    )
