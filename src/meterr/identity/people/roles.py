"""The rules of memberships: who may give whom which role. Pure."""

from collections.abc import Iterable, Mapping

from meterr.core.errors import Invalid
from meterr.core.policy import PLATFORM, Actor, Forbidden, Permission, Role, allowed
from meterr.core.policy.table import TABLE
from meterr.identity.people.errors import LastAdmin, OwnRole
from meterr.identity.people.model import Author, By, Claim, Operator

_IN_CHARGE = frozenset({Role.ADMIN, Role.SUPER_ADMIN})


def check_authority(
    by: By, permissions: Iterable[Permission], tenant_id: str, *, now_ms: int, reason: str
) -> None:
    """
    Raise what the policy answers unless ``by`` may do all of this to a tenant's people.

    On the platform the permission of the platform takes the place of the tenant's. The operator
    holds the database itself: there is nothing left to ask.
    """
    if isinstance(by, Operator):
        return
    if tenant_id == PLATFORM:
        allowed(by, Permission.PLATFORM_ROLE_CHANGE, None, now_ms=now_ms, reason=reason).require()
        return
    for permission in permissions:
        allowed(by, permission, tenant_id, now_ms=now_ms, reason=reason).require()


def wanted_for(tenant_id: str | None, role: Role | None) -> frozenset[Permission]:
    """Return what it takes to invite somebody as ``role``, or, without one, to make a reset."""
    if tenant_id is None:
        return frozenset({Permission.PLATFORM_USER_CHANGE})
    if tenant_id == PLATFORM:
        return frozenset({Permission.PLATFORM_ROLE_CHANGE})
    if role is Role.USER:
        return frozenset({Permission.TENANT_MEMBER_INVITE})
    return frozenset({Permission.TENANT_MEMBER_INVITE, Permission.TENANT_ROLE_CHANGE})


def author_of(by: By, tenant_id: str | None, role: Role | None) -> Author | None:
    """Return who answers for a claim that ``by`` may make, and where; None for the operator."""
    if isinstance(by, Operator):
        return None
    at_home = tenant_id is not None and wanted_for(tenant_id, role) <= _may(by.role_in(tenant_id))
    return Author(by.user_id, tenant_id if at_home and tenant_id is not None else PLATFORM)


def still_granted(claim: Claim) -> bool:
    """
    Return whether the author of a claim is still what it takes to make it.

    What drops the factors of a super_admin is the operator's alone.
    """
    if claim.author is None:
        return True
    wanted = wanted_for(claim.joins_tenant, claim.joins_as)
    return wanted <= _may(claim.author_role) and not (claim.drops_factors and claim.of_super_admin)


def check_may_drop_factors(by: By, roles: Mapping[str, Role]) -> None:
    """Raise Forbidden when ``by`` would drop the factors of somebody who may do the same."""
    if isinstance(by, Actor) and PLATFORM in roles:
        raise Forbidden("reset of a super_admin without factors")


def check_platform(by: By, permission: Permission, *, now_ms: int, reason: str) -> None:
    """Raise what the policy answers unless ``by`` may do this to any account."""
    if not isinstance(by, Operator):
        allowed(by, permission, None, now_ms=now_ms, reason=reason).require()


def check_role(tenant_id: str, role: Role) -> None:
    """Raise Invalid unless ``role`` exists there: super_admins are no tenant's, and only they."""
    if (role is Role.SUPER_ADMIN) != (tenant_id == PLATFORM):
        raise Invalid("role is user or admin in a tenant, and super_admin in none.", param="role")


def check_not_raising_self(by: By, user_id: str, before: Role | None, after: Role | None) -> None:
    """Raise OwnRole when somebody would get a permission from themselves. Giving up is free."""
    if isinstance(by, Actor) and by.user_id == user_id and _may(after) - _may(before):
        raise OwnRole


def check_someone_stays(before: Role | None, after: Role | None, others_in_charge: int) -> None:
    """Raise LastAdmin when nobody would be left in charge of what ``before`` was in charge of."""
    if before in _IN_CHARGE and after is not before and not others_in_charge:
        raise LastAdmin


def _may(role: Role | None) -> frozenset[Permission]:
    return frozenset() if role is None else TABLE[role]
