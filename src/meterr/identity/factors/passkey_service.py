"""Passkeys: registered, used to sign in, listed, removed. One function, one use case."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.errors import Invalid, MeterrError, NotFound
from meterr.identity.factors import challenges, store
from meterr.identity.factors.ceremony import CHALLENGE_BYTES, Ceremonies, Registered, digest_of
from meterr.identity.factors.demand import check_factor_stays
from meterr.identity.factors.errors import PasskeyRefused
from meterr.identity.factors.model import FactorProof, Passkey, PasskeyProof
from meterr.identity.people import Person, find_person, steps
from meterr.identity.people.model import UserState
from meterr.identity.terms import checked_name
from meterr.identity.throttle import Proof, Throttle

PASSKEYS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Passkeys:
    """What every ceremony of this installation needs. Opens nothing itself."""

    db: Database
    throttle: Throttle
    clock: Clock
    ceremonies: Ceremonies
    randomness: Callable[[int], bytes] = os.urandom

    async def begin_registration(self, person: Person) -> str:
        """Return, as JSON, what the browser needs to make a passkey. Good for 5 minutes, once."""
        challenge = self.randomness(CHALLENGE_BYTES)
        user_id = person.user.user_id
        async with self.db.transaction() as connection:
            known = await store.passkeys_of(connection, user_id)
            if len(known) >= PASSKEYS_MAX:
                raise _too_many()
            asked = challenges.to_register(user_id)
            await challenges.remember(connection, challenge, asked, self.clock.unix_ms())
        return self.ceremonies.registration_options(
            challenge=challenge,
            user_id=user_id,
            email=person.user.shown_email,
            known=known,
        )

    async def finish_registration(self, person: Person, name: str, response: str) -> bytes:
        """
        Store the passkey that the browser made and return its id.

        Sessions from before are over in every process. Raises PasskeyRefused when anything about
        the response is wrong, Invalid when there are as many as may be; its challenge is used up
        either way.
        """
        return await self._finish(person, name, response, first=False)

    async def finish_first(self, person: Person, name: str, response: str) -> FactorProof:
        """
        Store a passkey as the first factor of somebody who must have one before anything else.

        As ``finish_registration``; PasskeyRefused also when there is a factor by now.
        """
        await self._finish(person, name, response, first=True)
        return FactorProof(person.user.user_id, self.clock.unix_ms(), began=())

    async def _finish(self, person: Person, name: str, response: str, *, first: bool) -> bytes:
        name = checked_name(name)
        user_id = person.user.user_id
        challenge = self.ceremonies.challenge_of_registration(response)
        if challenge is None:
            raise PasskeyRefused("unreadable")
        made = self.ceremonies.verified_registration(response, challenge)
        # One transaction from the challenge to the passkey: what ends the one in between, such as a
        # reset of the account, prevents the other. Refusals are raised after the commit.
        async with self.db.transaction() as connection:
            await store.lock_account(connection, user_id)
            good, bound_to = await self._used(connection, challenge, challenges.REGISTER)
            refused: MeterrError | None = None
            if not good or bound_to != user_id:
                refused = _challenge_refused()
            elif made is not None:
                refused = await self._enrol(connection, user_id, name, made, first=first)
        if refused is not None:
            raise refused
        if made is None:
            raise PasskeyRefused("registration_wrong")
        return made.credential_id

    async def _enrol(
        self, connection: Connection, user_id: str, name: str, made: Registered, *, first: bool
    ) -> MeterrError | None:
        """Write a passkey down under the account's lock, or return why not."""
        enrolled = await store.enrolled(connection, user_id)
        if enrolled is None or (first and enrolled.any):
            return PasskeyRefused("enrolled_meanwhile")
        if enrolled.passkeys >= PASSKEYS_MAX:
            return _too_many()
        if not await store.insert_passkey(connection, user_id, name, made):
            return PasskeyRefused("registered_already")
        if not enrolled.any:
            # They would stand in for this factor, whoever had them made before.
            await store.end_recovery_codes(connection, user_id)
        await steps.touch_credentials(connection, user_id)
        return None

    async def begin_sign_in(self, address: str, user_id: str | None = None) -> str:
        """
        Return, as JSON, what the browser needs to sign in. Good for 5 minutes, once.

        Without ``user_id`` the browser offers the passkeys it has: the answer is the same for
        everybody and tells nothing about any account. With it (after the password, or to step up)
        only that person's passkeys count.
        """
        await self.throttle.attempt(Proof.PASSKEY, "", address)
        challenge = self.randomness(CHALLENGE_BYTES)
        async with self.db.transaction() as connection:
            known = [] if user_id is None else await store.passkeys_of(connection, user_id)
            asked = challenges.to_sign_in(address, user_id)
            await challenges.remember(connection, challenge, asked, self.clock.unix_ms())
        return self.ceremonies.sign_in_options(challenge=challenge, known=known)

    async def finish_sign_in(
        self, address: str, response: str, user_id: str | None = None
    ) -> PasskeyProof:
        """
        Verify what the browser answered and return whose passkey it was.

        Raises PasskeyRefused when anything about it is wrong: challenge, origin, signature, count,
        user verification, the account's state, or ``user_id`` is somebody else.
        """
        attempt = await self.throttle.attempt(Proof.PASSKEY, "", address)
        said = self.ceremonies.asserted(response)
        bound_to = await self._use_challenge(None if said is None else said.challenge, user_id)
        if said is None:
            raise PasskeyRefused("unreadable")
        async with self.db.transaction() as connection:
            passkey = await store.find_passkey(connection, said.credential_id)
        if passkey is None or passkey.user_state != UserState.ACTIVE.value:
            raise PasskeyRefused("unknown_passkey_or_account")
        owners = {said.user_handle, bound_to, user_id} - {None}
        if owners - {passkey.user_id} or not owners:
            raise PasskeyRefused("of_somebody_else")
        verified = self.ceremonies.verified_sign_in(response, said.challenge, passkey)
        if verified is None:
            raise PasskeyRefused("answer_wrong")
        now_ms = self.clock.unix_ms()
        async with self.db.transaction() as connection:
            if not await store.use_passkey(connection, passkey.credential_id, verified, now_ms):
                raise PasskeyRefused("count_not_higher")
        await self.throttle.passed(attempt)
        return PasskeyProof(person=await find_person(self.db, passkey.user_id), at_ms=now_ms)

    async def remove(self, person: Person, credential_id: bytes) -> None:
        """Take a passkey out of use. Raises NotFound, or LastFactor when one must stay."""
        user_id = person.user.user_id
        async with self.db.transaction() as connection:
            await store.lock_account(connection, user_id)
            enrolled = await store.enrolled(connection, user_id)
            if enrolled is None or not await store.end_passkey(connection, user_id, credential_id):
                raise NotFound("There is no such passkey.")
            left = enrolled.passkeys - 1 + enrolled.totp
            check_factor_stays(person.roles.values(), enrolled, left=left)
            if not left:
                await store.end_recovery_codes(connection, user_id)
            await steps.touch_credentials(connection, user_id)

    async def _use_challenge(self, challenge: bytes | None, user_id: str | None) -> str | None:
        """Use a challenge up and return to whom it was bound; PasskeyRefused when it is none."""
        if challenge is None:
            raise PasskeyRefused("unreadable")
        async with self.db.transaction() as connection:
            good, bound_to = await self._used(connection, challenge, challenges.SIGN_IN)
        # A challenge given to one person is not for another, nor one given to everybody for one.
        if not good or bound_to != user_id:
            raise _challenge_refused()
        return bound_to

    async def _used(
        self, connection: Connection, challenge: bytes, purpose: str
    ) -> tuple[bool, str | None]:
        digest = digest_of(challenge)
        return await store.use_ceremony(connection, digest, purpose, self.clock.unix_ms())

    async def list(self, user_id: str) -> list[Passkey]:
        """Return a person's passkeys, oldest first."""
        async with self.db.transaction() as connection:
            return await store.list_passkeys(connection, user_id)


def _challenge_refused() -> PasskeyRefused:
    return PasskeyRefused("challenge_unknown_used_or_over")


def _too_many() -> Invalid:
    return Invalid(f"an account has at most {PASSKEYS_MAX} passkeys.", param="passkey")
