"""``/api/v1/platform``: tenants, accounts and super_admins. Each call is a broken glass."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final, Literal

from pydantic import Field

from meterr import identity
from meterr.core.api import After, Asked, Caller, CallerHere, Limit, Operation, Shown, instant
from meterr.core.api.paging import paged
from meterr.core.policy import PLATFORM, Permission, Role
from meterr.core.principal import UnknownPrice
from meterr.identity.api.me import RoleShown, shown_roles
from meterr.identity.api.members import (
    Invitation,
    Invited,
    MemberList,
    Members,
    SessionsEnded,
    shown_claim,
)
from meterr.identity.api.services import IdentityServices
from meterr.identity.errors import NameTaken
from meterr.identity.model import Tenant, TenantState
from meterr.identity.people import disable_user, enable_user, list_users
from meterr.identity.people.errors import AlreadyMember, LastAdmin, OwnRole
from meterr.identity.people.service import issue_reset
from meterr.identity.service import change_tenant

_PATH: Final = "/api/v1/platform"
_Price = Literal["refuse", "flag"]


class NewTenant(Asked):
    """A tenant to be made."""

    name: str = Field(max_length=200)
    unknown_price: _Price = "refuse"
    time_zone: str = Field("UTC", max_length=64)


class TenantChange(Asked):
    """What to change of a tenant; what is left out stays."""

    state: Literal["active", "disabled"] | None = None
    unknown_price: _Price | None = None
    time_zone: str | None = Field(None, max_length=64)


class UserDisabling(Asked):
    """Whether a tenant may be left without an administrator: a stolen account must be stoppable."""

    leaving_no_admin: bool = False


class TenantShown(Shown):
    """A tenant."""

    tenant_id: str
    name: str
    state: str
    unknown_price: str
    time_zone: str
    created_at: datetime | None


class TenantList(Shown):
    """One page of tenants, oldest first."""

    items: list[TenantShown]
    after: str | None


class UserShown(Shown):
    """An account."""

    user_id: str
    email: str
    state: str
    joined: bool
    created_at: datetime | None
    roles: list[RoleShown]


class UserList(Shown):
    """One page of accounts, newest first."""

    items: list[UserShown]
    after: str | None


class PlatformRoutes:
    """What only super_admins may: with a fresh factor and a reason, each time."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services
        self._members = Members(services)

    async def tenants(
        self, caller: CallerHere, after: After = None, limit: Limit = 50
    ) -> TenantList:
        """List the tenants."""
        found = await identity.list_tenants(self._at.db)
        page, last = paged(found, after, limit, lambda tenant: tenant.tenant_id)
        return TenantList(items=[_tenant(each) for each in page], after=last)

    async def create_tenant(self, asked: NewTenant, caller: CallerHere) -> TenantShown:
        """Create a tenant."""
        made = await identity.create_tenant(
            self._at.db,
            self._at.ids,
            asked.name,
            unknown_price=UnknownPrice(asked.unknown_price),
            time_zone=asked.time_zone,
        )
        return _tenant(made)

    async def change_tenant(self, id: str, asked: TenantChange, caller: CallerHere) -> None:  # noqa: A002 (the path's own word)
        """Change or disable a tenant; a disabled one disables all its keys."""
        await change_tenant(
            self._at.db,
            id,
            state=None if asked.state is None else TenantState(asked.state),
            unknown_price=None
            if asked.unknown_price is None
            else UnknownPrice(asked.unknown_price),
            time_zone=asked.time_zone,
        )

    async def users(self, caller: CallerHere, after: After = None, limit: Limit = 50) -> UserList:
        """List all accounts with their roles."""
        page = await list_users(
            self._at.people_db,
            self._at.clock,
            by=caller.who,
            reason=caller.reason,
            after=after,
            limit=limit,
        )
        items = [
            UserShown(
                user_id=each.user.user_id,
                email=each.user.shown_email,
                state=each.user.state.value,
                joined=each.user.joined,
                created_at=instant(each.user.created_at_ms),
                roles=shown_roles(each),
            )
            for each in page.people
        ]
        return UserList(items=items, after=page.after)

    async def disable_user(self, user_id: str, asked: UserDisabling, caller: CallerHere) -> None:
        """Disable an account everywhere: its sessions and keys count no more."""
        await disable_user(
            self._at.people_db,
            self._at.clock,
            by=caller.who,
            user_id=user_id,
            reason=caller.reason,
            leaving_no_admin=asked.leaving_no_admin,
        )

    async def enable_user(self, user_id: str, caller: CallerHere) -> None:
        """Let a disabled person sign in again."""
        await enable_user(
            self._at.people_db,
            self._at.clock,
            by=caller.who,
            user_id=user_id,
            reason=caller.reason,
        )

    async def reset_user(self, user_id: str, caller: CallerHere) -> Invited:
        """Make a one-time token for a new password; an account with factors gives one, too."""
        return await self._reset(user_id, caller, without_factors=False)

    async def reset_user_without_factors(self, user_id: str, caller: CallerHere) -> Invited:
        """
        Make a one-time token for a new password that leaves no factor and asks for none.

        For somebody who has lost them all, or whose account somebody else took up first. Make sure
        of the person before.
        """
        return await self._reset(user_id, caller, without_factors=True)

    async def end_sessions(self, user_id: str, caller: CallerHere) -> SessionsEnded:
        """End all sessions of anybody."""
        return await self._members.end_sessions(PLATFORM, user_id, caller)

    async def super_admins(
        self, caller: CallerHere, after: After = None, limit: Limit = 50
    ) -> MemberList:
        """List the super_admins."""
        return await self._members.page(PLATFORM, caller, after, limit)

    async def invite_super_admin(self, asked: Invitation, caller: CallerHere) -> Invited:
        """Invite a super_admin."""
        return await self._members.invite(PLATFORM, asked, caller, Role.SUPER_ADMIN)

    async def remove_super_admin(self, user_id: str, caller: CallerHere) -> None:
        """Take the role of a super_admin away; the last one stays."""
        await self._members.remove(PLATFORM, user_id, caller)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        see, user = Permission.PLATFORM_USER_READ, Permission.PLATFORM_USER_CHANGE
        role, admins = Permission.PLATFORM_ROLE_CHANGE, f"{_PATH}/super-admins"
        tenants, one = f"{_PATH}/tenants", f"{_PATH}/users/{{user_id}}"
        new, change = Permission.PLATFORM_TENANT_CREATE, Permission.PLATFORM_TENANT_CHANGE
        read, invited = Permission.PLATFORM_TENANT_READ, (AlreadyMember, OwnRole)
        of = partial(Operation.of, "platform")
        yield of("GET", tenants, read, self.tenants)
        yield of("POST", tenants, new, self.create_tenant, NameTaken, status=201)
        yield of("PATCH", f"{tenants}/{{id}}", change, self.change_tenant, status=204)
        yield of("GET", f"{_PATH}/users", see, self.users)
        yield of("POST", f"{one}/disable", user, self.disable_user, LastAdmin, status=204)
        yield of("POST", f"{one}/enable", user, self.enable_user, status=204)
        yield of("POST", f"{one}/reset", user, self.reset_user, status=201)
        yield of(
            "POST",
            f"{one}/reset-without-factors",
            user,
            self.reset_user_without_factors,
            status=201,
        )
        yield of("DELETE", f"{one}/sessions", user, self.end_sessions)
        yield of("GET", admins, role, self.super_admins)
        yield of("POST", admins, role, self.invite_super_admin, *invited, status=201)
        yield of(
            "DELETE", f"{admins}/{{user_id}}", role, self.remove_super_admin, LastAdmin, status=204
        )

    async def _reset(self, user_id: str, caller: Caller, *, without_factors: bool) -> Invited:
        claim = await issue_reset(
            self._at.people_db,
            self._at.clock,
            by=caller.who,
            user_id=user_id,
            without_factors=without_factors,
            reason=caller.reason,
        )
        return shown_claim(claim)


def _tenant(tenant: Tenant) -> TenantShown:
    return TenantShown(
        tenant_id=tenant.tenant_id,
        name=tenant.name,
        state=tenant.state.value,
        unknown_price=tenant.unknown_price.value,
        time_zone=tenant.time_zone,
        created_at=instant(tenant.created_at_ms),
    )
