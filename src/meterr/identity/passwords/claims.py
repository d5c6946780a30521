"""Taking up a claim: the one way to a first password, and to a new one for who forgot the old."""

from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.http.client_address import site_of
from meterr.identity.factors import FactorProof, PasskeyProof, PasskeyRefused
from meterr.identity.factors.steps import drop_factors, held
from meterr.identity.passwords import store
from meterr.identity.passwords.errors import FactorNeeded
from meterr.identity.passwords.hasher import Hasher
from meterr.identity.passwords.model import TakenUp
from meterr.identity.passwords.rules import checked_password, is_short
from meterr.identity.passwords.service import check_password
from meterr.identity.people import steps
from meterr.identity.people.claim import digest_of
from meterr.identity.people.email import own_words
from meterr.identity.people.errors import ClaimRefused
from meterr.identity.people.model import Claim
from meterr.identity.throttle import Proof, Throttle

Prove = Callable[[str], Awaitable[FactorProof | PasskeyProof]]
"""Verifies the second factor that came along; is given whose it has to be."""


async def take_up(
    db: Database,
    hasher: Hasher,
    throttle: Throttle,
    clock: Clock,
    *,
    token: SecretStr,
    password: SecretStr,
    address: str,
    prove: Prove | None = None,
) -> TakenUp:
    """
    Take up a claim with a password.

    An invitation sets the first password of a new account, and needs the present one of an account
    that has one: so whoever invites an address never gets hold of its account. A reset sets a new
    password: with a second factor of the account, all of which stay then, or, if it was made to do
    without, with none left. The membership, the password, the factors and the end of the claim are
    one transaction.

    Raises:
        ClaimRefused: unknown, used or over, or its author may not make it any more. Of any number
            at the same time, one succeeds.
        Invalid: the new password is not allowed; the claim is still good.
        FactorNeeded: the account has a factor, and there is no ``prove``; the claim is still good.
        SignInRefused, TooManyAttempts, HashersBusy: as ``check_password``; and whatever ``prove``
            raises.
    """
    digest = digest_of(token)
    await throttle.attempt(Proof.CLAIM, "", address)
    async with db.transaction() as connection:
        now_ms = clock.unix_ms()
        claim = digest and await steps.granted_claim(connection, digest, now_ms)
        stored = await store.find_password_of(connection, claim.user_id) if claim else None
    if not claim or stored is None:
        raise ClaimRefused("unknown_used_or_over")
    if claim.joins_tenant is not None and stored.hash is not None:
        email = stored.email
        await check_password(db, hasher, throttle, email=email, password=password, address=address)
        return await _join(db, clock, claim, claim.joins_tenant)
    keeps = claim.joins_tenant is None and not claim.drops_factors and stored.has_factor
    encoded = checked_password(password, with_factor=keeps, own_words=own_words(stored.email))
    proven = keeps and await _proven(db, claim, prove)
    hashed = await hasher.hash(encoded, site_of(address))
    if claim.joins_tenant is None:
        return await _reset(db, clock, claim, hashed, short=is_short(encoded), proven=proven)
    return await _begin(db, clock, claim, claim.joins_tenant, hashed, short=is_short(encoded))


async def _proven(db: Database, claim: Claim, prove: Prove | None) -> bool:
    """Return True when the factor that came along is the account's own; raise when it is not."""
    if prove is None:
        async with db.transaction() as connection:
            raise FactorNeeded((await held(connection, claim.user_id)).ways)
    proof = await prove(claim.user_id)
    if proof.user_id != claim.user_id:
        raise PasskeyRefused("of_somebody_else")
    return True


async def _join(db: Database, clock: Clock, claim: Claim, tenant_id: str) -> TakenUp:
    async with db.tenant_transaction(tenant_id) as connection:
        await _use(connection, claim, clock)
        await _become_member(connection, claim, tenant_id)
    return TakenUp(user_id=claim.user_id, tenant_id=tenant_id, first=False)


async def _begin(
    db: Database, clock: Clock, claim: Claim, tenant_id: str, hashed: str, *, short: bool
) -> TakenUp:
    async with db.tenant_transaction(tenant_id) as connection:
        await _use(connection, claim, clock)
        await held(connection, claim.user_id)
        if not await store.insert_first_password(connection, claim.user_id, hashed, short=short):
            raise ClaimRefused("password_set_meanwhile")
        await drop_factors(connection, claim.user_id)
        await _become_member(connection, claim, tenant_id)
    return TakenUp(user_id=claim.user_id, tenant_id=tenant_id, first=True)


async def _reset(
    db: Database, clock: Clock, claim: Claim, hashed: str, *, short: bool, proven: bool
) -> TakenUp:
    """
    Set the password; leave the factors to who proved to have one, else leave none.

    A factor that somebody enrolled since the look is not removed by a token alone, either.
    """
    async with db.transaction() as connection:
        has = await held(connection, claim.user_id)
        if has.any and not (proven or claim.drops_factors):
            raise FactorNeeded(has.ways)
        if short and not has.any:
            raise ClaimRefused("factor_ended_meanwhile")
        await _use(connection, claim, clock)
        if not proven:
            await drop_factors(connection, claim.user_id)
        await store.set_password(connection, claim.user_id, hashed, short=short)
        await steps.touch_credentials(connection, claim.user_id)
    return TakenUp(user_id=claim.user_id, tenant_id=None, first=False)


async def _use(connection: Connection, claim: Claim, clock: Clock) -> None:
    now_ms = clock.unix_ms()
    if await steps.granted_claim(connection, claim.digest, now_ms) is None:
        raise ClaimRefused("over_meanwhile")
    if not await steps.use_claim(connection, claim.digest, now_ms):
        raise ClaimRefused("used_meanwhile")


async def _become_member(connection: Connection, claim: Claim, tenant_id: str) -> None:
    if claim.joins_as is None:
        raise ClaimRefused("joins_as_nothing")
    await steps.join_tenant(connection, tenant_id, claim.user_id, claim.joins_as)
