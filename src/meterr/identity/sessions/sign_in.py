"""Signing in: the password, what is owed after it, and passkeys. One method, one use case."""

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from meterr.core.db import Connection
from meterr.core.errors import Invalid
from meterr.identity.factors import Demand, FactorProof, PasskeyProof, demand, find_enrolled
from meterr.identity.factors.model import Enrolled
from meterr.identity.passwords import Hasher, PasswordProof, SignInRefused, check_password
from meterr.identity.people import find_person, read_email
from meterr.identity.people.model import UserState
from meterr.identity.sessions import store
from meterr.identity.sessions.errors import ChallengeRefused
from meterr.identity.sessions.issuer import Issuer
from meterr.identity.sessions.model import (
    Grant,
    MustEnrol,
    NeedsFactor,
    Outcome,
    Pending,
    SessionClient,
)
from meterr.identity.sessions.store import Challenge, Marks
from meterr.identity.throttle import Throttle

CHALLENGE_BYTES: Final = 32
CHALLENGE_MS: Final = 5 * 60 * 1000
CHALLENGE_CHARS_MAX: Final = 64
_PREFIX: Final = "meterr_challenge_"
_DIGEST: Final = b"meterr sign-in challenge 1\0"
_ENROL: Final = Demand.ENROL.value

Proof = FactorProof | PasskeyProof


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    From a password or a passkey to a session. Nothing that is sent along is ever taken over.

    Every session gets an id that exists from then on: there is none to fix before.
    """

    issuer: Issuer
    hasher: Hasher
    throttle: Throttle

    async def with_password(
        self, email: str, password: SecretStr, client: SessionClient
    ) -> Outcome:
        """
        Sign in with address and password.

        Returns a grant, or what is owed first. The answer to whatever is wrong is one, and takes
        one time: an account that does not exist, is disabled, has no password, or another one.

        Raises:
            SignInRefused, TooManyAttempts, HashersBusy: as ``check_password``.
        """
        marks = await self._marks(email)
        proof = await check_password(
            self.issuer.db,
            self.hasher,
            self.throttle,
            email=email,
            password=password,
            address=client.address,
        )
        user_id = proof.person.user.user_id
        if marks is None or marks.password_at is None or marks.user_id != user_id:
            raise SignInRefused("changed_meanwhile", proof.began, user_id)
        enrolled = await find_enrolled(self.issuer.db, user_id)
        owed = demand(proof.person.roles.values(), enrolled)
        if owed is Demand.NOTHING:
            return await self._begin(marks, proof, client)
        return await self._challenge(marks, proof, enrolled, owed)

    async def pending(self, challenge: SecretStr) -> Pending:
        """
        Return who is between password and factor, for the services that check or make factors.

        Leaves the challenge as it is. Raises ChallengeRefused, also when password or factors have
        changed since the password was right: a first factor is made only where there is none.
        """
        async with self.issuer.db.transaction() as connection:
            found = await self._found(connection, challenge)
            await self._check_account(connection, found)
        if found.owes == _ENROL and (await find_enrolled(self.issuer.db, found.user_id)).any:
            raise ChallengeRefused("enrolled_meanwhile")
        person = await find_person(self.issuer.db, found.user_id)
        if person.user.state is not UserState.ACTIVE:
            raise ChallengeRefused("account_disabled")
        return Pending(person=person, must_enrol=found.owes == _ENROL)

    async def finish(self, challenge: SecretStr, proof: Proof, client: SessionClient) -> Grant:
        """
        Begin the session that a challenge and a proof for the same person lead to, once.

        Raises ChallengeRefused: the challenge was used or is over, the proof is somebody else's or
        older than the challenge, or password or factors changed since the password was right.
        """
        key = await self.issuer.keys.current()
        now_ms = self.issuer.clock.unix_ms()
        async with self.issuer.db.transaction() as connection:
            found = await self._found(connection, challenge)
            if proof.user_id != found.user_id or proof.at_ms < found.created_at_ms:
                raise ChallengeRefused("proof_of_something_else")
            if not await store.use_challenge(connection, found.digest, now_ms):
                raise ChallengeRefused("used_meanwhile")
            await self._check_unchanged(connection, found, proof)
            return await self.issuer.begin(
                connection,
                key,
                user_id=found.user_id,
                factor_at_ms=proof.at_ms,
                client=client,
            )

    async def with_passkey(self, proof: PasskeyProof, client: SessionClient) -> Grant:
        """
        Begin the session of somebody whose passkey has just answered: two factors in one.

        Raises SignInRefused when account or passkey ended since.
        """
        key = await self.issuer.keys.current()
        user_id = proof.user_id
        async with self.issuer.db.transaction() as connection:
            account = await store.lock_person(connection, user_id)
            counts = await store.passkey_counts(connection, user_id, proof.at_ms)
            if account is None or not account.active or not counts:
                raise SignInRefused("changed_meanwhile")
            return await self.issuer.begin(
                connection, key, user_id=user_id, factor_at_ms=proof.at_ms, client=client
            )

    async def _marks(self, email: str) -> Marks | None:
        """Return what the account is now, at the cost of one read whether there is one or not."""
        try:
            canonical = read_email(email).canonical
        except Invalid:
            canonical = ""  # nobody's; looked for all the same
        async with self.issuer.db.transaction() as connection:
            return await store.find_marks(connection, canonical)

    async def _begin(self, marks: Marks, proof: PasswordProof, client: SessionClient) -> Grant:
        key = await self.issuer.keys.current()
        async with self.issuer.db.transaction() as connection:
            account = await store.lock_person(connection, marks.user_id)
            if account is None or not account.active:
                raise SignInRefused("changed_meanwhile", proof.began, marks.user_id)
            if account.credentials_at != marks.credentials_at:
                raise SignInRefused("changed_meanwhile", proof.began, marks.user_id)
            grant = await self.issuer.begin(
                connection, key, user_id=marks.user_id, factor_at_ms=None, client=client
            )
        return replace(grant, began=proof.began)

    async def _challenge(
        self, marks: Marks, proof: PasswordProof, enrolled: Enrolled, owed: Demand
    ) -> NeedsFactor | MustEnrol:
        now_ms = self.issuer.clock.unix_ms()
        ends_at_ms = now_ms + CHALLENGE_MS
        raw = self.issuer.randomness(CHALLENGE_BYTES)
        body = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
        token = SecretStr(_PREFIX + body)
        async with self.issuer.db.transaction() as connection:
            await store.insert_challenge(
                connection, _digest_of(token), owed.value, marks, now_ms, ends_at_ms
            )
        if owed is Demand.ENROL:
            return MustEnrol(challenge=token, ends_at_ms=ends_at_ms, began=proof.began)
        return NeedsFactor(
            challenge=token, ends_at_ms=ends_at_ms, ways=enrolled.ways, began=proof.began
        )

    async def _found(self, connection: Connection, challenge: SecretStr) -> Challenge:
        if not 0 < len(challenge.get_secret_value()) <= CHALLENGE_CHARS_MAX:
            raise ChallengeRefused("malformed")
        found = await store.find_challenge(
            connection, _digest_of(challenge), self.issuer.clock.unix_ms()
        )
        if found is None:
            raise ChallengeRefused("unknown_used_or_over")
        return found

    async def _check_account(self, connection: Connection, found: Challenge) -> None:
        account = await store.lock_person(connection, found.user_id)
        if account is None or not account.active:
            raise ChallengeRefused("account_disabled")
        if found.owes == _ENROL:
            # The first factor was made since, which is a change of its own: the password is what
            # must still be the one that was right.
            unchanged = await store.password_at(connection, found.user_id) == found.password_at
        else:
            unchanged = account.credentials_at == found.credentials_at
        if not unchanged:
            raise ChallengeRefused("changed_meanwhile")

    async def _check_unchanged(
        self, connection: Connection, found: Challenge, proof: Proof
    ) -> None:
        await self._check_account(connection, found)
        if isinstance(proof, PasskeyProof) and not await store.passkey_counts(
            connection, found.user_id, proof.at_ms
        ):
            raise ChallengeRefused("passkey_ended")


def _digest_of(challenge: SecretStr) -> bytes:
    text = challenge.get_secret_value().encode("utf-8", "surrogatepass")
    return hashlib.sha256(_DIGEST + text).digest()
