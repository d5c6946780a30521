"""TOTP: taken over by an app, confirmed, given, removed. One function, one use case."""

import os
from collections.abc import Callable

from pydantic import SecretStr

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.core.policy import PLATFORM
from meterr.identity.factors import store, totp
from meterr.identity.factors.demand import check_factor_stays
from meterr.identity.factors.errors import FactorRefused
from meterr.identity.factors.model import (
    NOTHING_ENROLLED,
    Enrolled,
    FactorProof,
    TotpEnrolment,
)
from meterr.identity.factors.vault import Vault
from meterr.identity.people import Person, steps
from meterr.identity.people.model import UserState
from meterr.identity.throttle import Proof, Throttle

ACTIVE = "active"
PENDING = "pending"


async def find_enrolled(db: Database, user_id: str) -> Enrolled:
    """Return what a person can prove themselves with; nothing at all for an unknown account."""
    async with db.transaction() as connection:
        found = await store.enrolled(connection, user_id)
    return found or NOTHING_ENROLLED


async def begin_totp(
    db: Database,
    ids: IdFactory,
    vault: Vault,
    person: Person,
    *,
    issuer: str = "meterr",
    randomness: Callable[[int], bytes] = os.urandom,
) -> TotpEnrolment:
    """
    Make a TOTP secret for a person; a factor that is in use stays in use until it is confirmed.

    The answer holds the secret; afterwards it exists sealed, and in the person's app.
    """
    user_id = person.user.user_id
    factor_id = ids.new()
    secret = totp.new_secret(randomness)
    await vault.prepare()
    async with db.tenant_transaction(PLATFORM) as connection:
        await store.lock_account(connection, user_id)
        sealed = await vault.seal(connection, user_id, factor_id, secret)
        await store.begin_totp(connection, user_id, factor_id, sealed)
    return TotpEnrolment(
        factor_id=factor_id,
        secret=SecretStr(totp.base32(secret)),
        uri=SecretStr(totp.uri(secret, person.user.shown_email, issuer)),
    )


async def confirm_totp(
    db: Database,
    vault: Vault,
    throttle: Throttle,
    clock: Clock,
    *,
    user_id: str,
    code: str,
    address: str,
    first: bool = False,
) -> FactorProof:
    """
    Put the secret made by ``begin_totp`` into use, in the place of one before.

    Sessions from before are over in every process. With ``first`` it is to be the first factor, and
    refused when there is one by now. Raises FactorRefused, TooManyAttempts.
    """
    attempt = await throttle.attempt(Proof.FACTOR, user_id, address)
    now_ms = clock.unix_ms()
    async with db.tenant_transaction(PLATFORM) as connection:
        await store.lock_account(connection, user_id)
        enrolled = await store.enrolled(connection, user_id)
        pending = await store.find_totp(connection, user_id, PENDING)
        if enrolled is None or pending is None:
            raise FactorRefused("nothing_pending", attempt.began, user_id)
        if first and enrolled.any:
            raise FactorRefused("enrolled_meanwhile", attempt.began, user_id)
        secret = await vault.open(connection, user_id, pending.factor_id, pending.sealed)
        step = totp.matching_step(secret, code, now_ms // 1000)
        if step is None:
            raise FactorRefused("wrong_code", attempt.began, user_id)
        await store.end_totp(connection, user_id, ACTIVE)
        await store.activate_totp(connection, user_id, pending.factor_id, step)
        if not enrolled.any:
            # They would stand in for this factor, whoever had them made before.
            await store.end_recovery_codes(connection, user_id)
        await steps.touch_credentials(connection, user_id)
    await throttle.passed(attempt)
    return FactorProof(user_id=user_id, at_ms=now_ms, began=attempt.began)


async def check_totp(
    db: Database,
    vault: Vault,
    throttle: Throttle,
    clock: Clock,
    *,
    user_id: str,
    code: str,
    address: str,
) -> FactorProof:
    """
    Accept a code, once: of any number of uses at the same time, in any process, one passes.

    Raises FactorRefused for whatever is wrong with it, TooManyAttempts before looking.
    """
    attempt = await throttle.attempt(Proof.FACTOR, user_id, address)
    now_ms = clock.unix_ms()
    async with db.tenant_transaction(PLATFORM) as connection:
        active = await store.find_totp(connection, user_id, ACTIVE)
        user = await steps.find_user(connection, user_id)
        if active is None or user is None or user.state is not UserState.ACTIVE:
            raise FactorRefused("no_factor", attempt.began, user_id)
        secret = await vault.open(connection, user_id, active.factor_id, active.sealed)
        step = totp.matching_step(secret, code, now_ms // 1000)
        if step is None:
            raise FactorRefused("wrong_code", attempt.began, user_id)
        if not await store.use_totp_step(connection, user_id, active.factor_id, step):
            raise FactorRefused("used_code", attempt.began, user_id)
    await throttle.passed(attempt)
    return FactorProof(user_id=user_id, at_ms=now_ms, began=attempt.began)


async def remove_totp(db: Database, person: Person) -> None:
    """Take the factor out of use, its secret with it. Raises LastFactor when one must stay."""
    user_id = person.user.user_id
    async with db.transaction() as connection:
        await store.lock_account(connection, user_id)
        enrolled = await store.enrolled(connection, user_id)
        if enrolled is None or not enrolled.totp:
            return
        check_factor_stays(person.roles.values(), enrolled, left=enrolled.passkeys)
        if not enrolled.passkeys:
            await store.end_recovery_codes(connection, user_id)
        await store.end_totp(connection, user_id, ACTIVE)
        await steps.touch_credentials(connection, user_id)
