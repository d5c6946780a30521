"""``/api/v1/tenants/{tenant_id}/members`` and what belongs to it: people of a tenant."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, Literal

from meterr.core.api import After, Asked, CallerHere, Limit, Operation, Shown
from meterr.core.errors import Invalid
from meterr.core.policy import Open, Permission, Role, Route
from meterr.identity.api.factors import (
    Code,
    given_recovery_code,
    given_totp,
    needed_passkeys,
)
from meterr.identity.api.members import Invitation, Invited, MemberList, Members, SessionsEnded
from meterr.identity.api.services import IdentityServices
from meterr.identity.api.sign_in import Secret
from meterr.identity.factors import FactorRefused, PasskeyRefused
from meterr.identity.passwords import FactorNeeded, HashersBusy, SignInRefused, take_up
from meterr.identity.passwords.claims import Prove
from meterr.identity.people import set_role
from meterr.identity.people.errors import AlreadyMember, ClaimRefused, LastAdmin, OwnRole
from meterr.identity.sessions.errors import SharedMember
from meterr.identity.throttle import TooManyAttempts

_TENANT: Final = "/api/v1/tenants/{tenant_id}"
_INVITING: Final = (AlreadyMember, OwnRole)


class RoleAsked(Asked):
    """A role, alone: it is never a field of anything else."""

    role: Literal["user", "admin"]


class RoleNow(Shown):
    """What happened to a membership; null stands for no membership."""

    user_id: str
    before: Role | None
    after: Role | None


class TakeUp(Asked):
    """
    The token of an invitation or a reset, and the password to have; who has one gives that.

    A reset of an account with a second factor takes one: a code of the app, a recovery code, or
    what ``navigator.credentials.get`` answered to ``/sign-in/passkey/begin``.
    """

    token: Secret
    password: Secret
    code: Code | None = None
    recovery_code: Code | None = None
    credential: dict[str, Any] | None = None


class Taken(Shown):
    """Whose account it is, and which tenant was joined, if any. Sign in next."""

    user_id: str
    tenant_id: str | None
    first_password: bool


class PeopleRoutes:
    """Members of a tenant, and how people become some."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services
        self._members = Members(services)

    async def list(
        self, tenant_id: str, caller: CallerHere, after: After = None, limit: Limit = 50
    ) -> MemberList:
        """List the members of a tenant."""
        return await self._members.page(tenant_id, caller, after, limit)

    async def invite(self, tenant_id: str, asked: Invitation, caller: CallerHere) -> Invited:
        """Invite somebody as a user. The answer is the same whether the address has an account."""
        return await self._members.invite(tenant_id, asked, caller, Role.USER)

    async def invite_admin(self, tenant_id: str, asked: Invitation, caller: CallerHere) -> Invited:
        """Invite somebody as an administrator."""
        return await self._members.invite(tenant_id, asked, caller, Role.ADMIN)

    async def set_role(
        self, tenant_id: str, user_id: str, asked: RoleAsked, caller: CallerHere
    ) -> RoleNow:
        """Give a member another role. Ends the member's sessions."""
        change = await set_role(
            self._at.people_db,
            self._at.clock,
            by=caller.who,
            tenant_id=tenant_id,
            user_id=user_id,
            role=Role(asked.role),
            reason=caller.reason,
        )
        return RoleNow(user_id=change.user_id, before=change.before, after=change.after)

    async def remove(self, tenant_id: str, user_id: str, caller: CallerHere) -> None:
        """End a membership. The account stays."""
        await self._members.remove(tenant_id, user_id, caller)

    async def end_sessions(self, tenant_id: str, user_id: str, caller: CallerHere) -> SessionsEnded:
        """End all sessions of a member."""
        return await self._members.end_sessions(tenant_id, user_id, caller)

    async def take_up(self, asked: TakeUp, caller: CallerHere) -> Taken:
        """Take up an invitation or a reset."""
        prove = self._proving(asked, caller.address)
        taken = await take_up(
            self._at.people_db,
            self._at.hasher,
            self._at.throttle,
            self._at.clock,
            token=asked.token,
            password=asked.password,
            address=caller.address,
            prove=prove,
        )
        return Taken(user_id=taken.user_id, tenant_id=taken.tenant_id, first_password=taken.first)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        role, member = Permission.TENANT_ROLE_CHANGE, f"{_TENANT}/members/{{user_id}}"
        of = partial(Operation.of, "members")
        yield of("GET", f"{_TENANT}/members", Permission.TENANT_MEMBER_READ, self.list)
        yield of(
            "POST",
            f"{_TENANT}/invitations",
            Permission.TENANT_MEMBER_INVITE,
            self.invite,
            *_INVITING,
            status=201,
        )
        yield of(
            "POST", f"{_TENANT}/admin-invitations", role, self.invite_admin, *_INVITING, status=201
        )
        yield of("PUT", f"{member}/role", role, self.set_role, OwnRole, LastAdmin)
        yield of(
            "DELETE", member, Permission.TENANT_MEMBER_REMOVE, self.remove, LastAdmin, status=204
        )
        end = Permission.TENANT_SESSION_END
        yield of("DELETE", f"{member}/sessions", end, self.end_sessions, SharedMember)
        yield Operation(
            Route("POST", "/api/v1/invitations/take-up"),
            Open("The one-time token is the proof; attempts are throttled."),
            self.take_up,
            "invitations.take_up",
            cookie=False,
            errors=(
                ClaimRefused,
                FactorNeeded,
                FactorRefused,
                PasskeyRefused,
                SignInRefused,
                TooManyAttempts,
                HashersBusy,
            ),
        )

    def _proving(self, asked: TakeUp, address: str) -> Prove | None:
        """Return how the factor that came along is verified, or None when none did."""
        code, recovery_code, credential = asked.code, asked.recovery_code, asked.credential
        if sum(each is not None for each in (code, recovery_code, credential)) > 1:
            raise Invalid("Send one of code, recovery_code and credential.", param="code")
        at = self._at
        if code is not None:
            return lambda user_id: given_totp(at, user_id, code, address)
        if recovery_code is not None:
            return lambda user_id: given_recovery_code(at, user_id, recovery_code, address)
        if credential is not None:
            passkeys = needed_passkeys(at)
            return lambda _: passkeys.finish_sign_in(address, json.dumps(credential))
        return None
