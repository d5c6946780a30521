"""Recovery codes: made as a set, used one by one."""

import os
from collections.abc import Callable

from pydantic import SecretStr

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.identity.factors import store
from meterr.identity.factors.errors import FactorRefused
from meterr.identity.factors.model import FactorProof
from meterr.identity.factors.recovery import digest_of, new_codes
from meterr.identity.people import steps
from meterr.identity.people.model import UserState
from meterr.identity.throttle import Proof, Throttle


async def replace_recovery_codes(
    db: Database, user_id: str, *, randomness: Callable[[int], bytes] = os.urandom
) -> tuple[SecretStr, ...]:
    """Return ten new codes, shown once; those from before count no more."""
    codes = new_codes(randomness)
    digests = [digest for code in codes if (digest := digest_of(user_id, code)) is not None]
    async with db.transaction() as connection:
        await store.replace_recovery_codes(connection, user_id, digests)
        await steps.touch_credentials(connection, user_id)
    return codes


async def use_recovery_code(
    db: Database,
    throttle: Throttle,
    clock: Clock,
    *,
    user_id: str,
    code: SecretStr,
    address: str,
) -> FactorProof:
    """
    Accept a recovery code in the place of a factor, once, however many use it at the same time.

    The answer says how many are left. Raises FactorRefused, TooManyAttempts.
    """
    attempt = await throttle.attempt(Proof.FACTOR, user_id, address)
    digest = digest_of(user_id, code)
    if digest is None:
        raise FactorRefused("no_code", attempt.began, user_id)
    async with db.transaction() as connection:
        user = await steps.find_user(connection, user_id)
        if user is None or user.state is not UserState.ACTIVE:
            raise FactorRefused("no_account", attempt.began, user_id)
        left = await store.use_recovery_code(connection, user_id, digest)
    if left is None:
        raise FactorRefused("wrong_or_used_code", attempt.began, user_id)
    await throttle.passed(attempt)
    return FactorProof(
        user_id=user_id,
        at_ms=clock.unix_ms(),
        began=attempt.began,
        recovery_codes_left=left,
    )
