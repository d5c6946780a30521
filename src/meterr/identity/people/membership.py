"""Memberships: roles given, changed and ended. One function, one use case, one transaction."""

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.core.policy import Permission, Role
from meterr.identity.people import store
from meterr.identity.people.model import By, RoleChange
from meterr.identity.people.roles import (
    check_authority,
    check_not_raising_self,
    check_role,
    check_someone_stays,
)
from meterr.identity.terms import is_uuid


async def set_role(
    db: Database,
    clock: Clock,
    *,
    by: By,
    tenant_id: str,
    user_id: str,
    role: Role,
    reason: str = "",
) -> RoleChange:
    """
    Give a member another role; every process is told when it commits.

    Raises:
        NotFound: no such tenant or no such member, or not for ``by`` to know.
        Forbidden, ProofNeeded: the policy says no, or wants a factor or a reason first.
        OwnRole: somebody would raise their own role.
        LastAdmin: nobody would be left to administer the tenant.
        Invalid: the role does not exist there.
    """
    check_role(tenant_id, role)
    return await _change(
        db, clock, by, tenant_id, user_id, role, Permission.TENANT_ROLE_CHANGE, reason
    )


async def remove_member(
    db: Database, clock: Clock, *, by: By, tenant_id: str, user_id: str, reason: str = ""
) -> RoleChange:
    """
    End a membership, and invitations to it that are open; the account stays.

    Raises as ``set_role`` does.
    """
    return await _change(
        db, clock, by, tenant_id, user_id, None, Permission.TENANT_MEMBER_REMOVE, reason
    )


async def _change(
    db: Database,
    clock: Clock,
    by: By,
    tenant_id: str,
    user_id: str,
    after: Role | None,
    permission: Permission,
    reason: str,
) -> RoleChange:
    check_authority(by, (permission,), tenant_id, now_ms=clock.unix_ms(), reason=reason)
    if not (is_uuid(tenant_id) and is_uuid(user_id)):
        raise NotFound("There is no such member.")
    async with db.tenant_transaction(tenant_id) as connection:
        await store.lock_roles(connection)
        before = await store.find_role(connection, tenant_id, user_id)
        if before is None:
            raise NotFound("There is no such member.")
        check_not_raising_self(by, user_id, before, after)
        others = await store.others_in_charge(connection, user_id)
        check_someone_stays(before, after, others.get(tenant_id, 0))
        if after is None:
            # First the claim and then the membership, as whoever takes one up.
            await store.end_claims(connection, user_id, tenant_id)
            await store.end_membership(connection, tenant_id, user_id)
        elif after is not before:
            await store.set_role(connection, tenant_id, user_id, after)
    return RoleChange(tenant_id=tenant_id, user_id=user_id, before=before, after=after)
