"""Signing in with a password, and changing it. One function, one use case."""

from pydantic import SecretStr

from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.core.http.client_address import site_of
from meterr.identity.factors.steps import held
from meterr.identity.passwords import store
from meterr.identity.passwords.errors import SignInRefused
from meterr.identity.passwords.gate import HashersBusy
from meterr.identity.passwords.hasher import Hasher
from meterr.identity.passwords.model import PasswordProof, StoredPassword
from meterr.identity.passwords.rules import checked_password, is_short, normalised
from meterr.identity.people import find_person, read_email, steps
from meterr.identity.people.email import EMAIL_CHARS_MAX, own_words
from meterr.identity.people.model import UserState
from meterr.identity.throttle import Proof, Throttle


async def check_password(
    db: Database,
    hasher: Hasher,
    throttle: Throttle,
    *,
    email: str,
    password: SecretStr,
    address: str,
) -> PasswordProof:
    """
    Verify an address and a password that somebody typed.

    An unknown address, a disabled account, one without a password and a wrong password get the same
    answer after the same work: one attempt counted, one read, one verification. A right password
    is hashed again when today's parameters are not those of its hash.

    Args:
        address: Of the client, behind trusted proxies.

    Raises:
        SignInRefused: whatever is wrong. TooManyAttempts: before anything was looked at.
        HashersBusy: nothing was looked at; the attempt is not counted.
    """
    proof, _ = await _checked(db, hasher, throttle, email=email, password=password, address=address)
    return proof


async def _checked(
    db: Database,
    hasher: Hasher,
    throttle: Throttle,
    *,
    email: str,
    password: SecretStr,
    address: str,
) -> tuple[PasswordProof, str]:
    """Do what ``check_password`` does; return also the hash that the password was found behind."""
    canonical = _canonical(email)
    typed = normalised(password)
    attempt = await throttle.attempt(Proof.PASSWORD, canonical, address)
    async with db.transaction() as connection:
        stored = await store.find_password(connection, canonical)
    whose = site_of(address)
    try:
        right = await hasher.verify(_hash_that_counts(stored), typed or b"", whose)
    except HashersBusy:
        await throttle.void(attempt)
        raise
    if stored is None or not right or typed is None:
        user_id = "" if stored is None else stored.user_id
        raise SignInRefused(_why_not(stored), attempt.began, user_id)
    found = await _still_right(db, hasher, stored, typed, whose)
    if found is None:
        raise SignInRefused("changed_meanwhile", attempt.began, stored.user_id)
    began = await throttle.passed(attempt)
    found = await _rehashed(db, hasher, stored.user_id, found, typed, whose)
    person = await find_person(db, stored.user_id)
    return PasswordProof(person=person, began=(*attempt.began, *began)), found


async def change_password(
    db: Database,
    hasher: Hasher,
    throttle: Throttle,
    *,
    user_id: str,
    current: SecretStr,
    new: SecretStr,
    address: str,
) -> None:
    """
    Replace a person's password; sessions from before are over in every process.

    Raises:
        SignInRefused: ``current`` is wrong, or not the password any more when the new one is to be
            written: what was set meanwhile stays. TooManyAttempts, HashersBusy: as
            ``check_password``.
        Invalid: ``new`` is not allowed; ``param`` is ``password``.
    """
    async with db.transaction() as connection:
        stored = await store.find_password_of(connection, user_id)
    email = "" if stored is None else stored.email
    proof, before = await _checked(
        db, hasher, throttle, email=email, password=current, address=address
    )
    if stored is None:
        raise SignInRefused("unknown")
    words = own_words(stored.email)
    encoded = checked_password(new, with_factor=stored.has_factor, own_words=words)
    if encoded == normalised(current):
        raise Invalid("password is the one you have.", param="password")
    hashed = await hasher.hash(encoded, site_of(address))
    async with db.transaction() as connection:
        # A factor that was there before the hash was made may have gone.
        has = await held(connection, user_id)
        checked_password(new, with_factor=has.any, own_words=words)
        short = is_short(encoded)
        if not await store.replace_password(connection, user_id, before, hashed, short=short):
            raise SignInRefused("changed_meanwhile", proof.began, user_id)
        await steps.touch_credentials(connection, user_id)


async def _still_right(
    db: Database, hasher: Hasher, stored: StoredPassword, typed: bytes, whose: str
) -> str | None:
    """Return the hash that the password is behind now, after the time that looking at it took."""
    async with db.transaction() as connection:
        now = await store.find_password_of(connection, stored.user_id)
    found = None if now is None else _hash_that_counts(now)
    # Hashed again by a sign-in beside this one, or changed: only looking tells.
    if found == stored.hash or (found and await hasher.verify(found, typed, whose)):
        return found
    return None


async def _rehashed(
    db: Database, hasher: Hasher, user_id: str, found: str, typed: bytes, whose: str
) -> str:
    """Return the hash under today's parameters, stored; or ``found``, when that is left alone."""
    if not hasher.is_outdated(found):
        return found
    try:
        hashed = await hasher.hash(typed, whose)
    except HashersBusy:
        return found  # the next sign-in does it
    async with db.transaction() as connection:
        stored = await store.rehash(connection, user_id, found, hashed)
    return hashed if stored else found


def _canonical(email: str) -> str:
    """Return what an account would be found by; what is no address is nobody's, and counted too."""
    try:
        return read_email(email).canonical
    except Invalid:
        return f" {email[:EMAIL_CHARS_MAX]!a}"  # no address begins with a space


def _hash_that_counts(stored: StoredPassword | None) -> str | None:
    if stored is None or stored.state != UserState.ACTIVE.value:
        return None
    return stored.hash


def _why_not(stored: StoredPassword | None) -> str:
    if stored is None:
        return "unknown_account"
    if stored.state != UserState.ACTIVE.value:
        return "account_disabled"
    return "no_password" if stored.hash is None else "wrong_password"
