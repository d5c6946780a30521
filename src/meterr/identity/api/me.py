"""``/api/v1/me``: one's own account, password and factors."""

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from meterr.core.api import Asked, Caller, CallerHere, NotConfigured, Operation, Shown, instant
from meterr.core.errors import NotFound
from meterr.core.policy import PLATFORM, Permission, Role
from meterr.identity.api.factors import (
    Code,
    PasskeyOptions,
    TotpSecret,
    confirmed_totp,
    needed_passkeys,
    new_totp,
)
from meterr.identity.api.services import IdentityServices
from meterr.identity.api.sign_in import NewPasskey, Secret
from meterr.identity.factors import (
    FactorRefused,
    PasskeyRefused,
    find_enrolled,
    remove_totp,
    replace_recovery_codes,
)
from meterr.identity.factors.errors import LastFactor
from meterr.identity.passwords import HashersBusy, SignInRefused, change_password
from meterr.identity.people import Person, find_person
from meterr.identity.throttle import TooManyAttempts

_PATH: Final = "/api/v1/me"
_FACTORS: Final = f"{_PATH}/factors"


class RoleShown(Shown):
    """What somebody is in a tenant; ``tenant_id`` is null on the platform."""

    tenant_id: str | None
    role: Role


class Me(Shown):
    """One's own account."""

    user_id: str
    email: str
    created_at: datetime | None
    roles: list[RoleShown]
    factor_at: datetime | None


class PasswordChange(Asked):
    """The password one has, and the one to have."""

    current: Secret
    new: Secret


class TotpCode(Asked):
    """A code of the app that has just taken over the secret."""

    code: Code


class PasskeyShown(Shown):
    """A passkey as its owner sees it."""

    passkey_id: str
    name: str
    backed_up: bool
    created_at: datetime | None
    last_used_at: datetime | None


class PasskeyMade(Shown):
    """The id of a passkey that was just made."""

    passkey_id: str


class Factors(Shown):
    """What one can prove oneself with, beside the password."""

    totp: bool
    recovery_codes_left: int
    passkeys: list[PasskeyShown]


class RecoveryCodes(Shown):
    """New recovery codes, shown once; those from before count no more."""

    codes: list[str]


class MeRoutes:
    """One's own account. Every change of a credential ends all of one's sessions, this one too."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def show(self, caller: CallerHere) -> Me:
        """Show one's own account and roles."""
        person = await self._person(caller)
        return Me(
            user_id=person.user.user_id,
            email=person.user.shown_email,
            created_at=instant(person.user.created_at_ms),
            roles=shown_roles(person),
            factor_at=instant(caller.who.factor_at_ms),
        )

    async def change_password(self, asked: PasswordChange, caller: CallerHere) -> None:
        """Change one's password. All sessions end, this one too."""
        await change_password(
            self._at.people_db,
            self._at.hasher,
            self._at.throttle,
            user_id=caller.who.user_id,
            current=asked.current,
            new=asked.new,
            address=caller.address,
        )

    async def factors(self, caller: CallerHere) -> Factors:
        """List one's second factors and passkeys."""
        user_id = caller.who.user_id
        enrolled = await find_enrolled(self._at.people_db, user_id)
        found = await self._at.passkeys.list(user_id) if self._at.passkeys is not None else []
        return Factors(
            totp=enrolled.totp,
            recovery_codes_left=enrolled.recovery_codes,
            passkeys=[
                PasskeyShown(
                    passkey_id=_encoded(each.credential_id),
                    name=each.name,
                    backed_up=each.backed_up,
                    created_at=instant(each.created_at_ms),
                    last_used_at=instant(each.last_used_at_ms),
                )
                for each in found
            ],
        )

    async def begin_totp(self, caller: CallerHere) -> TotpSecret:
        """Make a secret for an authenticator app; it counts once a code of it was given."""
        return await new_totp(self._at, await self._person(caller))

    async def confirm_totp(self, asked: TotpCode, caller: CallerHere) -> None:
        """Put the authenticator app into use. All sessions end, this one too."""
        await confirmed_totp(self._at, caller.who.user_id, asked.code, caller.address)

    async def remove_totp(self, caller: CallerHere) -> None:
        """Take the authenticator app out of use. All sessions end, this one too."""
        await remove_totp(self._at.people_db, await self._person(caller))

    async def begin_passkey(self, caller: CallerHere) -> PasskeyOptions:
        """Begin to make a passkey."""
        options = await needed_passkeys(self._at).begin_registration(await self._person(caller))
        return PasskeyOptions(options=json.loads(options))

    async def add_passkey(self, asked: NewPasskey, caller: CallerHere) -> PasskeyMade:
        """Store the passkey that the browser made. All sessions end, this one too."""
        person, answer = await self._person(caller), json.dumps(asked.credential)
        made = await needed_passkeys(self._at).finish_registration(person, asked.name, answer)
        return PasskeyMade(passkey_id=_encoded(made))

    async def remove_passkey(self, passkey_id: str, caller: CallerHere) -> None:
        """Take a passkey out of use. All sessions end, this one too."""
        await needed_passkeys(self._at).remove(await self._person(caller), _decoded(passkey_id))

    async def replace_recovery_codes(self, caller: CallerHere) -> RecoveryCodes:
        """Make ten new recovery codes. All sessions end, this one too."""
        made = await replace_recovery_codes(self._at.people_db, caller.who.user_id)
        return RecoveryCodes(codes=[each.get_secret_value() for each in made])

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, change = Permission.SELF_FACTOR_READ, Permission.SELF_FACTOR_CHANGE
        password = Permission.SELF_PASSWORD_CHANGE
        attempts = (TooManyAttempts,)
        wrong = (SignInRefused, HashersBusy, *attempts)
        key = (PasskeyRefused, NotConfigured)
        keys = f"{_FACTORS}/passkeys"
        totp = f"{_FACTORS}/totp"
        codes = f"{_FACTORS}/recovery-codes"
        of = partial(Operation.of, "me")
        yield of("GET", _PATH, Permission.SELF_PROFILE_READ, self.show)
        yield of("PUT", f"{_PATH}/password", password, self.change_password, *wrong, status=204)
        yield of("GET", _FACTORS, read, self.factors)
        yield of("POST", f"{totp}/begin", change, self.begin_totp)
        yield of("PUT", totp, change, self.confirm_totp, FactorRefused, *attempts, status=204)
        yield of("DELETE", totp, change, self.remove_totp, LastFactor, status=204)
        yield of("POST", f"{keys}/begin", change, self.begin_passkey, *key)
        yield of("POST", keys, change, self.add_passkey, *key, status=201)
        yield of(
            "DELETE", f"{keys}/{{passkey_id}}", change, self.remove_passkey, LastFactor, status=204
        )
        yield of("POST", codes, change, self.replace_recovery_codes)

    async def _person(self, caller: Caller) -> Person:
        return await find_person(self._at.people_db, caller.who.user_id)


def shown_roles(person: Person) -> list[RoleShown]:
    """Return what a person is where, the platform's role first."""
    return [
        RoleShown(tenant_id=None if tenant == PLATFORM else tenant, role=role)
        for tenant, role in sorted(person.roles.items())
    ]


def _encoded(credential_id: bytes) -> str:
    return base64.urlsafe_b64encode(credential_id).decode("ascii").rstrip("=")


def _decoded(passkey_id: str) -> bytes:
    """Return the credential's id; raise NotFound for what can be none."""
    try:
        found = base64.b64decode(passkey_id + "=" * (-len(passkey_id) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotFound("There is no such passkey.") from None
    return found
