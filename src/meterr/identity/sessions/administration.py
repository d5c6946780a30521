"""Sessions ended by others: administrators, the platform, the operator."""

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.core.policy import PLATFORM, Permission
from meterr.identity.people.model import By, Operator
from meterr.identity.people.roles import check_authority, check_platform
from meterr.identity.sessions import store
from meterr.identity.sessions.errors import SharedMember
from meterr.identity.sessions.model import Ended
from meterr.identity.terms import is_uuid


async def end_of_member(
    db: Database, clock: Clock, *, by: By, tenant_id: str, user_id: str, reason: str = ""
) -> int:
    """
    End all sessions of a member of a tenant; return how many that were.

    With ``PLATFORM`` in the tenant's place: of anybody, for the platform. Every process is told
    when it commits; the person may sign in again. Sessions are a person's and not a tenant's: an
    administrator ends those of people who are members of nothing else, and their own.

    Raises:
        NotFound: no such tenant or no such member, or not for ``by`` to know.
        Forbidden, ProofNeeded: the policy says no, or wants a factor or a reason first.
        SharedMember: an administrator asked, and the person is a member elsewhere, too.
    """
    now_ms = clock.unix_ms()
    anywhere = tenant_id == PLATFORM
    if anywhere:
        check_platform(by, Permission.PLATFORM_USER_CHANGE, now_ms=now_ms, reason=reason)
    else:
        wanted = (Permission.TENANT_SESSION_END,)
        check_authority(by, wanted, tenant_id, now_ms=now_ms, reason=reason)
    if not (is_uuid(tenant_id) and is_uuid(user_id)):
        raise NotFound("There is no such member.")
    async with db.transaction() as connection:
        if not anywhere and not await store.is_member(connection, user_id, tenant_id):
            raise NotFound("There is no such member.")
        of_one = not (anywhere or _is_theirs_or_the_platforms(by, user_id))
        if of_one and await store.is_member_elsewhere(connection, user_id, tenant_id):
            raise SharedMember
        return await store.end_sessions_of(connection, user_id, Ended.ENDED, now_ms, but=None)


def _is_theirs_or_the_platforms(by: By, user_id: str) -> bool:
    return isinstance(by, Operator) or by.user_id == user_id or PLATFORM in by.roles


async def end_of_everybody(db: Database, clock: Clock) -> int:
    """End all sessions of everybody, for the operator; return how many that were."""
    async with db.transaction() as connection:
        return await store.end_everybodys(connection, clock.unix_ms())
