"""The only SQL of people: one function holds one statement and no decision."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.rows import dict_row, kwargs_row, scalar_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.policy import Role
from meterr.core.sql import load_sql
from meterr.identity.people.email import Email
from meterr.identity.people.model import Author, Claim, Member, User, UserState

_SQL: Final = load_sql("meterr.identity.people")


async def lock_roles(connection: Connection) -> None:
    await connection.execute(_SQL["lock_roles"])


async def insert_user(connection: Connection, user_id: str, email: Email) -> None:
    values = {"user_id": user_id, "email": email.canonical, "shown_email": email.shown}
    await connection.execute(_SQL["insert_user"], values)


async def find_user(connection: Connection, user_id: str) -> User | None:
    async with connection.cursor(row_factory=kwargs_row(_user)) as cursor:
        await cursor.execute(_SQL["find_user"], {"user_id": user_id})
        return await cursor.fetchone()


async def find_user_by_email(connection: Connection, email: str) -> User | None:
    async with connection.cursor(row_factory=kwargs_row(_user)) as cursor:
        await cursor.execute(_SQL["find_user_by_email"], {"email": email})
        return await cursor.fetchone()


async def list_users(connection: Connection, *, after: str | None, limit: int) -> list[User]:
    async with connection.cursor(row_factory=kwargs_row(_user)) as cursor:
        await cursor.execute(_SQL["list_users"], {"after": after, "limit": limit})
        return await cursor.fetchall()


async def list_members(
    connection: Connection, tenant_id: str, *, after: str | None, limit: int
) -> list[Member]:
    async with connection.cursor(row_factory=kwargs_row(_member)) as cursor:
        await cursor.execute(
            _SQL["list_members"], {"tenant_id": tenant_id, "after": after, "limit": limit}
        )
        return await cursor.fetchall()


async def roles_of(
    connection: Connection, user_ids: Sequence[str]
) -> Mapping[str, Mapping[str, Role]]:
    """Return tenant to role for each of the people; nobody is missing."""
    found: dict[str, dict[str, Role]] = {user_id: {} for user_id in user_ids}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["roles_of"], {"user_ids": list(user_ids)})
        for row in await cursor.fetchall():
            found[row["user_id"]][row["tenant_id"]] = Role(row["role"])
    return found


async def others_in_charge(connection: Connection, user_id: str) -> Mapping[str, int]:
    """Return, for each tenant that the person is in charge of, how many others are."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["others_in_charge"], {"user_id": user_id})
        return {row["tenant_id"]: row["others"] for row in await cursor.fetchall()}


async def find_role(connection: Connection, tenant_id: str, user_id: str) -> Role | None:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["find_role"], {"tenant_id": tenant_id, "user_id": user_id})
        role: str | None = await cursor.fetchone()
    return None if role is None else Role(role)


async def set_role(connection: Connection, tenant_id: str, user_id: str, role: Role) -> None:
    values = {"tenant_id": tenant_id, "user_id": user_id, "role": role.value}
    await connection.execute(_SQL["set_role"], values)


async def end_membership(connection: Connection, tenant_id: str, user_id: str) -> None:
    values = {"tenant_id": tenant_id, "user_id": user_id}
    await connection.execute(_SQL["end_membership"], values)


async def join_tenant(connection: Connection, tenant_id: str, user_id: str, role: Role) -> None:
    values = {"tenant_id": tenant_id, "user_id": user_id, "role": role.value}
    await connection.execute(_SQL["join_tenant"], values)


async def disable_user(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["disable_user"], {"user_id": user_id})


async def enable_user(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["enable_user"], {"user_id": user_id})


async def touch_credentials(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["touch_credentials"], {"user_id": user_id})


async def lock_claims(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["lock_claims"], {"user_id": user_id})


async def insert_claim(connection: Connection, claim: Claim, expires_at_ms: int) -> None:
    values = {
        "digest": claim.digest,
        "user_id": claim.user_id,
        "joins_tenant": claim.joins_tenant,
        "joins_as": claim.joins_as and claim.joins_as.value,
        "drops_factors": claim.drops_factors,
        "made_by": claim.author and claim.author.user_id,
        "made_in": claim.author and claim.author.tenant_id,
        "expires_at": as_datetime(expires_at_ms),
    }
    await connection.execute(_SQL["insert_claim"], values)


async def end_claims(connection: Connection, user_id: str, joins_tenant: str | None) -> None:
    values = {"user_id": user_id, "joins_tenant": joins_tenant}
    await connection.execute(_SQL["end_claims"], values)


async def find_claim(connection: Connection, digest: bytes, now_ms: int) -> Claim | None:
    async with connection.cursor(row_factory=kwargs_row(_claim)) as cursor:
        await cursor.execute(_SQL["find_claim"], {"digest": digest, "now": as_datetime(now_ms)})
        return await cursor.fetchone()


async def use_claim(connection: Connection, digest: bytes, now_ms: int) -> bool:
    """Use a claim up; False when it was used, is over or never was."""
    values = {"digest": digest, "now": as_datetime(now_ms)}
    cursor = await connection.execute(_SQL["use_claim"], values)
    return cursor.rowcount == 1


def _user(*, state: str, **columns: Any) -> User:
    return User(state=UserState(state), **columns)


def _member(*, tenant_id: str, role: str, since_ms: int, **columns: Any) -> Member:
    return Member(user=_user(**columns), tenant_id=tenant_id, role=Role(role), since_ms=since_ms)


def _claim(
    *,
    digest: bytes,
    joins_as: str | None,
    made_by: str | None,
    made_in: str | None,
    author_role: str | None,
    **columns: Any,
) -> Claim:
    return Claim(
        digest=bytes(digest),
        joins_as=None if joins_as is None else Role(joins_as),
        author=None if made_by is None or made_in is None else Author(made_by, made_in),
        author_role=None if author_role is None else Role(author_role),
        **columns,
    )
