"""The only SQL of sessions: one function holds one statement and no decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row, dict_row, kwargs_row, scalar_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.policy import PLATFORM, Role
from meterr.core.sql import load_sql
from meterr.core.tokens import VerifyingKey
from meterr.identity.sessions.key_states import KeyRecord, KeyState, KnownKey
from meterr.identity.sessions.model import Ended, Family, LiveSession, SessionClient, SessionInfo

_SQL: Final = load_sql("meterr.identity.sessions")
_OURS: Final = {"tenant_id": PLATFORM}


@dataclass(frozen=True, slots=True)
class Marks:
    """Which password and which factors an account has: they change when those change."""

    user_id: str
    credentials_at: datetime
    password_at: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account that nobody changes until the transaction ends."""

    active: bool
    credentials_at: datetime


@dataclass(frozen=True, slots=True)
class Challenge:
    """A sign-in between password and factor, as the database has it."""

    digest: bytes
    user_id: str
    owes: str
    credentials_at: datetime
    password_at: datetime
    created_at_ms: int


async def lock_signing_keys(connection: Connection) -> None:
    await connection.execute(_SQL["lock_signing_keys"])


async def list_signing_keys(connection: Connection) -> list[KeyRecord]:
    async with connection.cursor(row_factory=kwargs_row(_record)) as cursor:
        await cursor.execute(_SQL["list_signing_keys"], _OURS)
        return await cursor.fetchall()


async def read_current_key(connection: Connection) -> tuple[str, bytes] | None:
    """Return name and sealed secret of the key that signs."""
    return await _current_key(connection, "read_current_key")


async def hold_current_key(connection: Connection) -> tuple[str, bytes] | None:
    """Return the same, and keep it as it is until the transaction ends."""
    return await _current_key(connection, "hold_current_key")


async def _current_key(connection: Connection, statement: str) -> tuple[str, bytes] | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[statement], _OURS)
        row = await cursor.fetchone()
    return None if row is None else (row["kid"], bytes(row["secret"]))


async def insert_signing_key(
    connection: Connection, key: VerifyingKey, sealed: bytes, state: KeyState, now_ms: int
) -> None:
    values = {
        **_OURS,
        "kid": key.kid,
        "state": state.value,
        "public_key": key.public,
        "secret": sealed,
        "created_at": as_datetime(now_ms),
    }
    await connection.execute(_SQL["insert_signing_key"], values)


async def stop_signing(
    connection: Connection, was: KeyState, state: KeyState, accepted_to_ms: int
) -> None:
    accepted_to = as_datetime(accepted_to_ms)
    values = {**_OURS, "was": was.value, "state": state.value, "accepted_to": accepted_to}
    await connection.execute(_SQL["stop_signing"], values)


async def begin_signing(connection: Connection) -> None:
    await connection.execute(_SQL["begin_signing"], _OURS)


async def retire_signing_keys(connection: Connection, now_ms: int, *, all_: bool) -> None:
    values = {**_OURS, "now": as_datetime(now_ms), "all": all_}
    await connection.execute(_SQL["retire_signing_keys"], values)


async def read_verifying_keys(connection: Connection) -> Mapping[str, KnownKey]:
    async with connection.cursor(row_factory=kwargs_row(_known_key)) as cursor:
        await cursor.execute(_SQL["read_verifying_keys"])
        return {known.key.kid: known for known in await cursor.fetchall()}


async def read_session(connection: Connection, session_id: str) -> LiveSession | None:
    async with connection.cursor(row_factory=kwargs_row(_live_session)) as cursor:
        await cursor.execute(_SQL["read_session"], {"session_id": session_id})
        return await cursor.fetchone()


async def find_marks(connection: Connection, email: str) -> Marks | None:
    async with connection.cursor(row_factory=class_row(Marks)) as cursor:
        await cursor.execute(_SQL["find_marks"], {"email": email})
        return await cursor.fetchone()


async def lock_person(connection: Connection, user_id: str) -> Account | None:
    async with connection.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(_SQL["lock_person"], {"user_id": user_id})
        return await cursor.fetchone()


async def password_at(connection: Connection, user_id: str) -> datetime | None:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["password_at"], {"user_id": user_id})
        at: datetime | None = await cursor.fetchone()
        return at


async def passkey_counts(connection: Connection, user_id: str, used_at_ms: int) -> bool:
    """Return whether a passkey used at that time or later is still in use."""
    values = {"user_id": user_id, "used_at": as_datetime(used_at_ms)}
    return await _yes(connection, "passkey_counts", values)


async def insert_session(
    connection: Connection,
    session: SessionInfo,
    user_id: str,
    refresh_digest: bytes,
    pepper_id: str,
) -> None:
    values = {
        "session_id": session.session_id,
        "user_id": user_id,
        "factor_at": None if session.factor_at_ms is None else as_datetime(session.factor_at_ms),
        "address": session.address,
        "user_agent": session.user_agent,
        "created_at": as_datetime(session.created_at_ms),
        "seen_at": as_datetime(session.seen_at_ms),
        "ends_at": as_datetime(session.ends_at_ms),
        "refresh_digest": refresh_digest,
        "pepper_id": pepper_id,
    }
    await connection.execute(_SQL["insert_session"], values)


async def end_surplus(connection: Connection, user_id: str, kept: int, now_ms: int) -> None:
    values = {"user_id": user_id, "kept": kept, "now": as_datetime(now_ms)}
    await connection.execute(_SQL["end_surplus"], values)


async def lock_family(connection: Connection, session_id: str) -> Family | None:
    async with connection.cursor(row_factory=class_row(Family)) as cursor:
        await cursor.execute(_SQL["lock_family"], {"session_id": session_id})
        return await cursor.fetchone()


async def rotate_family(
    connection: Connection,
    session_id: str,
    refresh_digest: bytes,
    pepper_id: str,
    salt: bytes,
    client: SessionClient,
    now_ms: int,
) -> None:
    values = {
        "session_id": session_id,
        "refresh_digest": refresh_digest,
        "pepper_id": pepper_id,
        "salt": salt,
        "address": client.address,
        "user_agent": client.user_agent,
        "now": as_datetime(now_ms),
    }
    await connection.execute(_SQL["rotate_family"], values)


async def move_session(connection: Connection, session_id: str, seen: SessionClient) -> None:
    """Say where a session is seen now, if that is somewhere else."""
    values = {"session_id": session_id, "address": seen.address, "user_agent": seen.user_agent}
    await connection.execute(_SQL["move_session"], values)


async def end_session(
    connection: Connection, session_id: str, user_id: str, because: Ended, now_ms: int
) -> bool:
    """Return False when the person has no such session, or it is over."""
    values = {
        "session_id": session_id,
        "user_id": user_id,
        "because": because.value,
        "now": as_datetime(now_ms),
    }
    return (await connection.execute(_SQL["end_session"], values)).rowcount == 1


async def end_sessions_of(
    connection: Connection, user_id: str, because: Ended, now_ms: int, *, but: str | None
) -> int:
    """End all sessions of a person, ``but`` one if it is given; return how many that were."""
    values = {
        "user_id": user_id,
        "because": because.value,
        "now": as_datetime(now_ms),
        "but": but,
    }
    return (await connection.execute(_SQL["end_sessions_of"], values)).rowcount


async def end_everybodys(connection: Connection, now_ms: int) -> int:
    """End all sessions of everybody; return how many that were."""
    return (await connection.execute(_SQL["end_everybodys"], {"now": as_datetime(now_ms)})).rowcount


async def list_sessions(
    connection: Connection, user_id: str, now_ms: int, idle_s: int
) -> list[SessionInfo]:
    values = {
        "user_id": user_id,
        "now": as_datetime(now_ms),
        "idle": as_datetime(now_ms - idle_s * 1000),
    }
    async with connection.cursor(row_factory=class_row(SessionInfo)) as cursor:
        await cursor.execute(_SQL["list_sessions"], values)
        return await cursor.fetchall()


async def is_member(connection: Connection, user_id: str, tenant_id: str) -> bool:
    values = {"user_id": user_id, "tenant_id": tenant_id}
    return await _yes(connection, "is_member", values)


async def is_member_elsewhere(connection: Connection, user_id: str, tenant_id: str) -> bool:
    values = {"user_id": user_id, "tenant_id": tenant_id}
    return await _yes(connection, "is_member_elsewhere", values)


async def insert_challenge(
    connection: Connection, digest: bytes, owes: str, marks: Marks, now_ms: int, expires_at_ms: int
) -> None:
    values = {
        "digest": digest,
        "user_id": marks.user_id,
        "owes": owes,
        "credentials_at": marks.credentials_at,
        "password_at": marks.password_at,
        "created_at": as_datetime(now_ms),
        "expires_at": as_datetime(expires_at_ms),
    }
    await connection.execute(_SQL["insert_challenge"], values)


async def find_challenge(connection: Connection, digest: bytes, now_ms: int) -> Challenge | None:
    values = {"digest": digest, "now": as_datetime(now_ms)}
    async with connection.cursor(row_factory=class_row(Challenge)) as cursor:
        await cursor.execute(_SQL["find_challenge"], values)
        return await cursor.fetchone()


async def use_challenge(connection: Connection, digest: bytes, now_ms: int) -> bool:
    """Use a challenge up; False when it was used or is over."""
    values = {"digest": digest, "now": as_datetime(now_ms)}
    return (await connection.execute(_SQL["use_challenge"], values)).rowcount == 1


async def prune_sessions(connection: Connection, at_ms: int) -> None:
    await connection.execute(_SQL["prune_sessions"], {"at_ms": at_ms})


async def _yes(connection: Connection, statement: str, values: Mapping[str, object]) -> bool:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL[statement], values)
        return await cursor.fetchone() is True


def _known_key(*, kid: str, state: str, public_key: bytes, accepted_to_ms: int | None) -> KnownKey:
    return KnownKey(VerifyingKey(kid, bytes(public_key)), KeyState(state), accepted_to_ms)


def _live_session(
    *, roles: Mapping[str, str], tenants: Sequence[str], **columns: Any
) -> LiveSession:
    found = {tenant: Role(role) for tenant, role in roles.items()}
    return LiveSession(roles=found, tenants=frozenset(tenants), **columns)


def _record(*, state: str, **columns: Any) -> KeyRecord:
    return KeyRecord(state=KeyState(state), **columns)
