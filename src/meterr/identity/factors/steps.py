"""What passwords do to factors inside transactions of their own; nothing else may."""

from meterr.core.db import Connection
from meterr.identity.factors import store
from meterr.identity.factors.model import NOTHING_ENROLLED, Enrolled

__all__ = ["drop_factors", "held"]


async def held(connection: Connection, user_id: str) -> Enrolled:
    """Return what a person has, which nobody changes until the transaction ends."""
    await store.lock_account(connection, user_id)
    return await store.enrolled(connection, user_id) or NOTHING_ENROLLED


async def drop_factors(connection: Connection, user_id: str) -> None:
    """End every factor of a person, recovery codes, and all that was begun and not finished."""
    await store.end_all_totp(connection, user_id)
    await store.end_passkeys(connection, user_id)
    await store.end_recovery_codes(connection, user_id)
    await store.lock_ceremonies(connection)
    await store.end_ceremonies(connection, user_id)
