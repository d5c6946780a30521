"""``/api/v1/sign-in``: from a password or a passkey to a session, step by step."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Response
from pydantic import Field, SecretStr

from meterr.core.api import Asked, Caller, CallerHere, NotConfigured, Operation, Shown, instant
from meterr.core.errors import Invalid
from meterr.core.events import Event, Kind
from meterr.core.policy import Open, Route
from meterr.identity.api.factors import (
    Code,
    Given,
    PasskeyOptions,
    TotpSecret,
    confirmed_totp,
    given_recovery_code,
    given_totp,
    needed_passkeys,
    new_totp,
)
from meterr.identity.api.handing_out import Deliver, Granted, client_of, handed_out, needed
from meterr.identity.api.services import IdentityServices
from meterr.identity.factors import FactorRefused, PasskeyRefused
from meterr.identity.passwords import HashersBusy, SignInRefused
from meterr.identity.people import Person
from meterr.identity.sessions import ChallengeRefused, Grant, MustEnrol, NeedsFactor
from meterr.identity.sessions.model import Outcome
from meterr.identity.throttle import TooManyAttempts

_PATH: Final = "/api/v1/sign-in"
_WHY: Final = "It is how a session begins; attempts are throttled."
_REFUSED: Final = (SignInRefused, TooManyAttempts, HashersBusy, NotConfigured)
_FACTOR: Final = (ChallengeRefused, FactorRefused, TooManyAttempts, NotConfigured)
_PASSKEY: Final = (ChallengeRefused, PasskeyRefused, TooManyAttempts, NotConfigured)

Secret = Annotated[SecretStr, Field(max_length=1024)]
Challenge = Annotated[SecretStr, Field(max_length=64)]


class PasswordSignIn(Asked):
    """An address and a password. ``deliver`` says how the tokens come."""

    email: str = Field(max_length=320)
    password: Secret
    deliver: Deliver = "body"


class CodeSignIn(Asked):
    """A code for a sign-in that has begun with the password."""

    challenge: Challenge
    code: Code
    deliver: Deliver = "body"


class Begun(Asked):
    """A sign-in that has begun with the password."""

    challenge: Challenge


class NewPasskey(Asked):
    """What the browser's ``navigator.credentials.create`` answered, and a name for it."""

    name: str = Field(max_length=100)
    credential: dict[str, Any]


class FirstPasskey(NewPasskey):
    """As above, for a sign-in that has begun with the password."""

    challenge: Challenge
    deliver: Deliver = "body"


class PasskeyBegin(Asked):
    """Which sign-in a passkey is for; without a challenge it is the whole sign-in."""

    challenge: Challenge | None = None


class PasskeySignIn(Asked):
    """What the browser's ``navigator.credentials.get`` answered."""

    credential: dict[str, Any]
    challenge: Challenge | None = None
    deliver: Deliver = "body"


class Owed(Shown):
    """The password was right, and a second factor is needed: given, or made first."""

    state: Literal["needs_factor", "must_enrol"]
    challenge: str
    ends_at: datetime | None
    ways: list[str] = Field(description="`totp`, `passkey`, `recovery_code`; empty for must_enrol.")


class SignInRoutes:
    """The steps of signing in. All of them are open, and none tells whether an account exists."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def password(
        self, asked: PasswordSignIn, caller: CallerHere, response: Response
    ) -> Granted | Owed:
        """Sign in with address and password; the answer says what is owed, if anything."""
        self._check(asked.deliver)
        outcome = await self._at.sign_in.with_password(
            asked.email, asked.password, client_of(caller)
        )
        if outcome.began:  # a right password that came too often; wrong ones are the door's to tell
            detail = {"limits": " ".join(outcome.began)}
            event = Event(Kind.SIGN_IN_PAUSED, None, caller.source, detail=detail)
            self._at.reporter.report(event)
        return self._told(outcome, asked.deliver, response)

    async def totp(self, asked: CodeSignIn, caller: CallerHere, response: Response) -> Granted:
        """Finish a sign-in with the code of an authenticator app."""
        return await self._with_code(given_totp, asked, caller, response)

    async def recovery_code(
        self, asked: CodeSignIn, caller: CallerHere, response: Response
    ) -> Granted:
        """Finish a sign-in with a recovery code; each counts once."""
        return await self._with_code(given_recovery_code, asked, caller, response)

    async def begin_passkey(self, asked: PasskeyBegin, caller: CallerHere) -> PasskeyOptions:
        """Begin with a passkey: alone, or as the second factor of a sign-in."""
        user_id = None
        if asked.challenge is not None:
            pending = await self._at.sign_in.pending(asked.challenge)
            user_id = pending.person.user.user_id
        options = await needed_passkeys(self._at).begin_sign_in(caller.address, user_id)
        return PasskeyOptions(options=json.loads(options))

    async def passkey(
        self, asked: PasskeySignIn, caller: CallerHere, response: Response
    ) -> Granted:
        """Finish with a passkey."""
        self._check(asked.deliver)
        answer = json.dumps(asked.credential)
        client = client_of(caller)
        if asked.challenge is None:
            proof = await needed_passkeys(self._at).finish_sign_in(caller.address, answer)
            grant = await self._at.sign_in.with_passkey(proof, client)
        else:
            pending = await self._at.sign_in.pending(asked.challenge)
            user_id = pending.person.user.user_id
            proof = await needed_passkeys(self._at).finish_sign_in(caller.address, answer, user_id)
            grant = await self._at.sign_in.finish(asked.challenge, proof, client)
        return self._handed(grant, asked.deliver, response)

    async def begin_enrolment(self, asked: Begun) -> TotpSecret:
        """Make the first authenticator app of an account that must have a second factor."""
        return await new_totp(self._at, await self._enrolling(asked.challenge))

    async def enrol(self, asked: CodeSignIn, caller: CallerHere, response: Response) -> Granted:
        """Confirm the first authenticator app with a code of it, and finish the sign-in."""
        self._check(asked.deliver)
        user_id = (await self._enrolling(asked.challenge)).user.user_id
        proof = await confirmed_totp(self._at, user_id, asked.code, caller.address, first=True)
        grant = await self._at.sign_in.finish(asked.challenge, proof, client_of(caller))
        return self._handed(grant, asked.deliver, response)

    async def begin_passkey_enrolment(self, asked: Begun) -> PasskeyOptions:
        """Begin to make the first passkey of an account that must have a second factor."""
        person = await self._enrolling(asked.challenge)
        options = await needed_passkeys(self._at).begin_registration(person)
        return PasskeyOptions(options=json.loads(options))

    async def enrol_passkey(
        self, asked: FirstPasskey, caller: CallerHere, response: Response
    ) -> Granted:
        """Store the first passkey, and finish the sign-in."""
        self._check(asked.deliver)
        person = await self._enrolling(asked.challenge)
        answer = json.dumps(asked.credential)
        proof = await needed_passkeys(self._at).finish_first(person, asked.name, answer)
        grant = await self._at.sign_in.finish(asked.challenge, proof, client_of(caller))
        return self._handed(grant, asked.deliver, response)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        steps = (
            ("password", self.password, _REFUSED),
            ("totp", self.totp, _FACTOR),
            ("recovery-code", self.recovery_code, _FACTOR),
            ("passkey/begin", self.begin_passkey, _PASSKEY),
            ("passkey", self.passkey, _PASSKEY),
            ("enrolment/totp/begin", self.begin_enrolment, _FACTOR),
            ("enrolment/totp", self.enrol, _FACTOR),
            ("enrolment/passkey/begin", self.begin_passkey_enrolment, _PASSKEY),
            ("enrolment/passkey", self.enrol_passkey, _PASSKEY),
        )
        for step, endpoint, errors in steps:
            yield Operation(
                Route("POST", f"{_PATH}/{step}"),
                Open(_WHY),
                endpoint,
                f"sign_in.{endpoint.__name__}",
                cookie=False,
                errors=errors,
            )

    async def _with_code(
        self, given: Given, asked: CodeSignIn, caller: Caller, response: Response
    ) -> Granted:
        self._check(asked.deliver)
        pending = await self._at.sign_in.pending(asked.challenge)
        user_id = pending.person.user.user_id
        proof = await given(self._at, user_id, asked.code, caller.address)
        grant = await self._at.sign_in.finish(asked.challenge, proof, client_of(caller))
        return self._handed(grant, asked.deliver, response)

    async def _enrolling(self, challenge: SecretStr) -> Person:
        pending = await self._at.sign_in.pending(challenge)
        if not pending.must_enrol:
            raise Invalid("This sign-in needs the factor that the account has.", param="challenge")
        return pending.person

    def _check(self, deliver: Deliver) -> None:
        """Refuse before anything is proved what could not be handed out afterwards."""
        if deliver == "cookies":
            needed(self._at.cookies)

    def _handed(self, grant: Grant, deliver: Deliver, response: Response) -> Granted:
        return handed_out(grant, deliver, response, self._at.cookies, self._at.clock)

    def _told(self, outcome: Outcome, deliver: Deliver, response: Response) -> Granted | Owed:
        if isinstance(outcome, NeedsFactor | MustEnrol):
            needs = isinstance(outcome, NeedsFactor)
            return Owed(
                state="needs_factor" if needs else "must_enrol",
                challenge=outcome.challenge.get_secret_value(),
                ends_at=instant(outcome.ends_at_ms),
                ways=list(outcome.ways) if isinstance(outcome, NeedsFactor) else [],
            )
        return self._handed(outcome, deliver, response)
