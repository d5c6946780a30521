"""How old the keys of a tenant, or those of one line, may get."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Final

from pydantic import Field

from meterr.core.api import Asked, Caller, CallerHere, Operation, Shown
from meterr.core.policy import Permission
from meterr.identity.api.keys import PATH as KEYS
from meterr.identity.api.services import IdentityServices
from meterr.identity.rotation import RotationPolicy, end_policy, list_policies, set_policy

_TENANT: Final = "/api/v1/tenants/{tenant_id}"
_AGE_S_MAX: Final = 3650 * 86400
_Seconds = Annotated[int, Field(ge=0, le=_AGE_S_MAX, description="Seconds.")]


class PolicyAsked(Asked):
    """When keys are to be replaced, how long before that is told, and how long after they end."""

    max_age_s: _Seconds
    notice_s: _Seconds = 14 * 86400
    grace_s: _Seconds = 7 * 86400


class PolicyShown(Shown):
    """A policy in force: of one key and its line or, without ``key_id``, of all other keys."""

    key_id: str | None
    max_age_s: int
    notice_s: int
    grace_s: int
    author: str


class PolicyList(Shown):
    """The policies in force, the tenant's first. Each is somebody's own doing: no pages."""

    items: list[PolicyShown]


class KeyPolicyRoutes:
    """Rotation by policy."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def list(self, tenant_id: str, caller: CallerHere) -> PolicyList:
        """List the rotation policies of a tenant."""
        found = await list_policies(self._at.db, tenant_id)
        return PolicyList(items=[_shown(each) for each in found])

    async def set(self, tenant_id: str, asked: PolicyAsked, caller: CallerHere) -> PolicyShown:
        """Set how old the keys of a tenant may get."""
        return await self._set(tenant_id, None, asked, caller)

    async def end(self, tenant_id: str, caller: CallerHere) -> None:
        """End the tenant's policy; keys that were due by it are due no longer."""
        await end_policy(self._at.db, self._at.clock, tenant_id, None, caller.author)

    async def set_of_key(
        self, tenant_id: str, key_id: str, asked: PolicyAsked, caller: CallerHere
    ) -> PolicyShown:
        """Set how old one key and its line may get; it comes before the tenant's policy."""
        return await self._set(tenant_id, key_id, asked, caller)

    async def end_of_key(self, tenant_id: str, key_id: str, caller: CallerHere) -> None:
        """End the policy of one key; the tenant's holds for it again."""
        await end_policy(self._at.db, self._at.clock, tenant_id, key_id, caller.author)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, change = Permission.TENANT_KEY_READ, Permission.TENANT_KEY_CHANGE
        whole, one = f"{_TENANT}/key-policy", f"{KEYS}/{{key_id}}/policy"
        of = partial(Operation.of, "key_policies")
        yield of("GET", f"{_TENANT}/key-policies", read, self.list)
        yield of("PUT", whole, change, self.set)
        yield of("DELETE", whole, change, self.end, status=204)
        yield of("PUT", one, change, self.set_of_key)
        yield of("DELETE", one, change, self.end_of_key, status=204)

    async def _set(
        self, tenant_id: str, key_id: str | None, asked: PolicyAsked, caller: Caller
    ) -> PolicyShown:
        wanted = RotationPolicy(
            key_id=key_id,
            max_age=timedelta(seconds=asked.max_age_s),
            notice=timedelta(seconds=asked.notice_s),
            grace=timedelta(seconds=asked.grace_s),
            author=caller.author,
        )
        await set_policy(self._at.db, self._at.clock, tenant_id, wanted)
        return _shown(wanted)


def _shown(policy: RotationPolicy) -> PolicyShown:
    return PolicyShown(
        key_id=policy.key_id,
        max_age_s=int(policy.max_age.total_seconds()),
        notice_s=int(policy.notice.total_seconds()),
        grace_s=int(policy.grace.total_seconds()),
        author=policy.author,
    )
