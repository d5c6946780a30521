"""The only SQL of factors: one function holds one statement and no decision."""

from collections.abc import Sequence
from typing import Final

from psycopg.rows import class_row, dict_row, scalar_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.identity.factors.ceremony import Registered, Verified
from meterr.identity.factors.model import (
    Asked,
    Enrolled,
    Kept,
    Passkey,
    StoredPasskey,
    StoredTotp,
)

_SQL: Final = load_sql("meterr.identity.factors")


async def enrolled(connection: Connection, user_id: str) -> Enrolled | None:
    async with connection.cursor(row_factory=class_row(Enrolled)) as cursor:
        await cursor.execute(_SQL["enrolled"], {"user_id": user_id})
        return await cursor.fetchone()


async def lock_account(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["lock_account"], {"user_id": user_id})


async def begin_totp(connection: Connection, user_id: str, factor_id: str, sealed: bytes) -> None:
    """Store a secret that is to be confirmed, in the place of one before."""
    values = {"user_id": user_id, "factor_id": factor_id, "sealed": sealed}
    await connection.execute(_SQL["begin_totp"], values)


async def find_totp(connection: Connection, user_id: str, state: str) -> StoredTotp | None:
    async with connection.cursor(row_factory=class_row(StoredTotp)) as cursor:
        await cursor.execute(_SQL["find_totp"], {"user_id": user_id, "state": state})
        return await cursor.fetchone()


async def end_totp(connection: Connection, user_id: str, state: str) -> None:
    await connection.execute(_SQL["end_totp"], {"user_id": user_id, "state": state})


async def end_all_totp(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["end_all_totp"], {"user_id": user_id})


async def activate_totp(connection: Connection, user_id: str, factor_id: str, step: int) -> None:
    values = {"user_id": user_id, "factor_id": factor_id, "step": step}
    await connection.execute(_SQL["activate_totp"], values)


async def use_totp_step(connection: Connection, user_id: str, factor_id: str, step: int) -> bool:
    """Use a step up; False when it or a later one was used already."""
    values = {"user_id": user_id, "factor_id": factor_id, "step": step}
    return (await connection.execute(_SQL["use_totp_step"], values)).rowcount == 1


async def replace_recovery_codes(
    connection: Connection, user_id: str, digests: Sequence[bytes]
) -> None:
    values = {"user_id": user_id, "digests": list(digests)}
    await connection.execute(_SQL["replace_recovery_codes"], values)


async def end_recovery_codes(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["end_recovery_codes"], {"user_id": user_id})


async def use_recovery_code(connection: Connection, user_id: str, digest: bytes) -> int | None:
    """Use a code up and return how many are left, or None when it was none."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["use_recovery_code"], {"user_id": user_id, "digest": digest})
        left: int | None = await cursor.fetchone()
        return left


async def lock_ceremonies(connection: Connection) -> None:
    await connection.execute(_SQL["lock_ceremonies"])


async def make_room(
    connection: Connection, asked: Asked, now_ms: int, *, kept: Kept, total_max: int
) -> None:
    values = {
        "now": as_datetime(now_ms),
        "network": asked.network,
        "site": asked.site,
        "user_id": asked.user_id,
        "network_kept": kept.of_network,
        "site_kept": kept.of_site,
        "account_kept": kept.of_account,
        "total_max": total_max,
        "total_kept": kept.in_all,
    }
    await connection.execute(_SQL["make_room"], values)


async def insert_ceremony(
    connection: Connection, digest: bytes, asked: Asked, expires_at_ms: int
) -> None:
    values = {
        "digest": digest,
        "purpose": asked.purpose,
        "user_id": asked.user_id,
        "network": asked.network,
        "site": asked.site,
        "expires_at": as_datetime(expires_at_ms),
    }
    await connection.execute(_SQL["insert_ceremony"], values)


async def use_ceremony(
    connection: Connection, digest: bytes, purpose: str, now_ms: int
) -> tuple[bool, str | None]:
    """Use a challenge up: whether it counted, and to whom it was bound."""
    values = {"digest": digest, "purpose": purpose, "now": as_datetime(now_ms)}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["use_ceremony"], values)
        row = await cursor.fetchone()
    return (False, None) if row is None else (True, row["bound_to"])


async def end_ceremonies(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["end_ceremonies"], {"user_id": user_id})


async def insert_passkey(
    connection: Connection, user_id: str, name: str, registered: Registered
) -> bool:
    """Return False when a passkey of that id exists, whoever has it."""
    values = {
        "credential_id": registered.credential_id,
        "user_id": user_id,
        "public_key": registered.public_key,
        "sign_count": registered.sign_count,
        "name": name,
        "transports": list(registered.transports),
        "backed_up": registered.backed_up,
    }
    return (await connection.execute(_SQL["insert_passkey"], values)).rowcount == 1


async def find_passkey(connection: Connection, credential_id: bytes) -> StoredPasskey | None:
    async with connection.cursor(row_factory=class_row(StoredPasskey)) as cursor:
        await cursor.execute(_SQL["find_passkey"], {"credential_id": credential_id})
        return await cursor.fetchone()


async def passkeys_of(connection: Connection, user_id: str) -> list[StoredPasskey]:
    async with connection.cursor(row_factory=class_row(StoredPasskey)) as cursor:
        await cursor.execute(_SQL["passkeys_of"], {"user_id": user_id})
        return await cursor.fetchall()


async def list_passkeys(connection: Connection, user_id: str) -> list[Passkey]:
    async with connection.cursor(row_factory=class_row(Passkey)) as cursor:
        await cursor.execute(_SQL["list_passkeys"], {"user_id": user_id})
        return await cursor.fetchall()


async def use_passkey(
    connection: Connection, credential_id: bytes, verified: Verified, now_ms: int
) -> bool:
    """Write the count down; False when the passkey has ended or its count did not rise."""
    values = {
        "credential_id": credential_id,
        "sign_count": verified.sign_count,
        "backed_up": verified.backed_up,
        "now": as_datetime(now_ms),
    }
    return (await connection.execute(_SQL["use_passkey"], values)).rowcount == 1


async def end_passkeys(connection: Connection, user_id: str) -> None:
    await connection.execute(_SQL["end_passkeys"], {"user_id": user_id})


async def end_passkey(connection: Connection, user_id: str, credential_id: bytes) -> bool:
    values = {"user_id": user_id, "credential_id": credential_id}
    return (await connection.execute(_SQL["end_passkey"], values)).rowcount == 1
