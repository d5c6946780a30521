"""Accounts: invited, listed, disabled. One function is one use case is one transaction."""

import os
from collections.abc import Callable

import psycopg.errors

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.errors import NotFound
from meterr.core.ids import IdFactory
from meterr.core.policy import Actor, Permission, Role
from meterr.identity.pages import check_page
from meterr.identity.people import store
from meterr.identity.people.claim import CLAIM_HOURS, digest_of, mint_claim
from meterr.identity.people.email import read_email
from meterr.identity.people.errors import AlreadyMember, LastAdmin, OwnRole
from meterr.identity.people.model import (
    By,
    Claim,
    MemberPage,
    NewClaim,
    Person,
    User,
    UserPage,
)
from meterr.identity.people.roles import (
    author_of,
    check_authority,
    check_may_drop_factors,
    check_platform,
    check_role,
    wanted_for,
)
from meterr.identity.terms import is_uuid

_HOUR_MS = 60 * 60 * 1000


async def invite_user(
    db: Database,
    ids: IdFactory,
    clock: Clock,
    *,
    by: By,
    email: str,
    tenant_id: str,
    role: Role,
    reason: str = "",
    randomness: Callable[[int], bytes] = os.urandom,
) -> NewClaim:
    """
    Invite a person into a tenant (or, with ``PLATFORM``, among the super_admins).

    The answer holds a one-time token and is the same whether the address has an account or not.
    There is no membership before the token is taken up: a new account gets its password with it, an
    old one must give the password it has (``passwords.take_up``). A new invitation to the same
    tenant ends the one before. It counts only while ``by`` may still make it.

    Raises:
        Invalid: the address is none, or the role does not exist there.
        NotFound, Forbidden, ProofNeeded: as for ``set_role``.
        OwnRole: ``by`` invites themselves. AlreadyMember: a member of the tenant is invited.
    """
    address = read_email(email)
    check_role(tenant_id, role)
    now_ms = clock.unix_ms()
    wanted = wanted_for(tenant_id, role)
    check_authority(by, sorted(wanted), tenant_id, now_ms=now_ms, reason=reason)
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        await store.insert_user(connection, ids.new(), address)
        user = await store.find_user_by_email(connection, address.canonical)
        if user is None:
            raise NotFound("There is no such user.")
        if isinstance(by, Actor) and by.user_id == user.user_id:
            raise OwnRole
        await _end_claims(connection, user.user_id, tenant_id)
        # Whoever was just taking one of those up is a member by now.
        if await store.find_role(connection, tenant_id, user.user_id) is not None:
            raise AlreadyMember
        made = _new_claim(randomness, user, now_ms)
        claim = Claim(
            digest=_digest(made),
            user_id=user.user_id,
            joins_tenant=tenant_id,
            joins_as=role,
            author=author_of(by, tenant_id, role),
        )
        await _insert_claim(connection, claim, made.expires_at_ms)
    return made


async def issue_reset(
    db: Database,
    clock: Clock,
    *,
    by: By,
    user_id: str,
    without_factors: bool = False,
    reason: str = "",
    randomness: Callable[[int], bytes] = os.urandom,
) -> NewClaim:
    """
    Make a one-time token with which a person sets a new password.

    Whoever takes it up gives a second factor of the account as well, if it has one, and then all of
    them stay. ``without_factors`` is for a person who has none of them, of whom ``by`` has made
    sure: nothing is asked for, and nothing that proved the account before is left. Only the
    operator does that to a super_admin.

    For the platform only: whoever holds the token is that person in every tenant, up to the second
    factor. It counts only while ``by`` may still make it. Raises NotFound for an unknown account.
    """
    now_ms = clock.unix_ms()
    check_platform(by, Permission.PLATFORM_USER_CHANGE, now_ms=now_ms, reason=reason)
    async with db.transaction() as connection:
        user = await _existing(connection, user_id)
        if without_factors:
            roles = await store.roles_of(connection, [user.user_id])
            check_may_drop_factors(by, roles[user.user_id])
        await _end_claims(connection, user.user_id, None)
        made = _new_claim(randomness, user, now_ms)
        claim = Claim(
            digest=_digest(made),
            user_id=user.user_id,
            joins_tenant=None,
            joins_as=None,
            author=author_of(by, None, None),
            drops_factors=without_factors,
        )
        await _insert_claim(connection, claim, made.expires_at_ms)
    return made


async def disable_user(
    db: Database,
    clock: Clock,
    *,
    by: By,
    user_id: str,
    reason: str = "",
    leaving_no_admin: bool = False,
) -> User:
    """
    Disable an account everywhere; doing it again changes nothing.

    When this returns it is committed, and every listening process is told: sessions and keys of
    the person count no more. Raises LastAdmin when a tenant would be left without an administrator,
    unless ``leaving_no_admin``: a stolen account must be stoppable.
    """
    now_ms = clock.unix_ms()
    check_platform(by, Permission.PLATFORM_USER_CHANGE, now_ms=now_ms, reason=reason)
    async with db.transaction() as connection:
        await store.lock_roles(connection)
        await _existing(connection, user_id)
        others = await store.others_in_charge(connection, user_id)
        if not leaving_no_admin and 0 in others.values():
            raise LastAdmin
        await store.disable_user(connection, user_id)
        return await _existing(connection, user_id)


async def enable_user(
    db: Database, clock: Clock, *, by: By, user_id: str, reason: str = ""
) -> User:
    """Let a disabled person sign in again, with the memberships and factors of before."""
    now_ms = clock.unix_ms()
    check_platform(by, Permission.PLATFORM_USER_CHANGE, now_ms=now_ms, reason=reason)
    async with db.transaction() as connection:
        await _existing(connection, user_id)
        await store.enable_user(connection, user_id)
        return await _existing(connection, user_id)


async def list_users(
    db: Database,
    clock: Clock,
    *,
    by: By,
    reason: str = "",
    after: str | None = None,
    limit: int = 50,
) -> UserPage:
    """Return one page of all accounts with their memberships, newest first; ``limit`` to 200."""
    check_platform(by, Permission.PLATFORM_USER_READ, now_ms=clock.unix_ms(), reason=reason)
    check_page(after, limit)
    async with db.transaction() as connection:
        found = await store.list_users(connection, after=after, limit=limit + 1)
        users = found[:limit]
        roles = await store.roles_of(connection, [user.user_id for user in users])
    people = tuple(Person(user=user, roles=roles[user.user_id]) for user in users)
    return UserPage(people=people, after=users[-1].user_id if len(found) > limit else None)


async def list_members(
    db: Database,
    clock: Clock,
    *,
    by: By,
    tenant_id: str,
    reason: str = "",
    after: str | None = None,
    limit: int = 50,
) -> MemberPage:
    """Return one page of a tenant's members, newest accounts first; ``limit`` to 200."""
    permissions = (Permission.TENANT_MEMBER_READ,)
    check_authority(by, permissions, tenant_id, now_ms=clock.unix_ms(), reason=reason)
    check_page(after, limit)
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        found = await store.list_members(connection, tenant_id, after=after, limit=limit + 1)
    members = tuple(found[:limit])
    return MemberPage(
        members=members, after=members[-1].user.user_id if len(found) > limit else None
    )


async def find_person(db: Database, user_id: str) -> Person:
    """Return an account and its roles as they are now; NotFound when there is none."""
    async with db.transaction() as connection:
        user = await _existing(connection, user_id)
        roles = await store.roles_of(connection, [user_id])
    return Person(user=user, roles=roles[user_id])


async def find_user(db: Database, email: str) -> User:
    """Return the account of an address; NotFound when there is none. For operators."""
    address = read_email(email)
    async with db.transaction() as connection:
        user = await store.find_user_by_email(connection, address.canonical)
    if user is None:
        raise NotFound(f"There is no user {address.shown!r}.")
    return user


async def _existing(connection: Connection, user_id: str) -> User:
    user = await store.find_user(connection, user_id) if is_uuid(user_id) else None
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _new_claim(randomness: Callable[[int], bytes], user: User, now_ms: int) -> NewClaim:
    return NewClaim(
        token=mint_claim(randomness),
        email=user.shown_email,
        expires_at_ms=now_ms + CLAIM_HOURS * _HOUR_MS,
    )


def _digest(made: NewClaim) -> bytes:
    digest = digest_of(made.token)
    if digest is None:
        raise ValueError("the minted token is none")
    return digest


async def _end_claims(connection: Connection, user_id: str, joins_tenant: str | None) -> None:
    """End what a new claim is to replace; until the transaction ends nobody else makes one."""
    await store.lock_claims(connection, user_id)
    await store.end_claims(connection, user_id, joins_tenant)


async def _insert_claim(connection: Connection, claim: Claim, expires_at_ms: int) -> None:
    try:
        await store.insert_claim(connection, claim, expires_at_ms)
    except psycopg.errors.ForeignKeyViolation:
        raise NotFound("There is no such tenant.") from None
