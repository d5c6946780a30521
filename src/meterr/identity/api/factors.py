"""Second factors as routes take and show them, and how each is given: for all that ask for one."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import Field, SecretStr

from meterr.core.api import NotConfigured, Shown
from meterr.identity.api.services import IdentityServices
from meterr.identity.factors import (
    FactorProof,
    Passkeys,
    begin_totp,
    check_totp,
    confirm_totp,
    use_recovery_code,
)
from meterr.identity.people import Person

Code = Annotated[SecretStr, Field(max_length=64)]
"""A code of an authenticator app, or a recovery code."""

Given = Callable[[IdentityServices, str, SecretStr, str], Awaitable[FactorProof]]
"""Accepts a code: of which account, the code, and from which address."""


class TotpSecret(Shown):
    """A secret for an authenticator app, shown once."""

    secret: str
    uri: str


class PasskeyOptions(Shown):
    """What the browser's ``navigator.credentials`` takes."""

    options: dict[str, Any]


def needed_passkeys(services: IdentityServices) -> Passkeys:
    """Return what passkeys need, or raise NotConfigured."""
    if services.passkeys is None:
        raise NotConfigured("A passkey", "sign_in.origin")
    return services.passkeys


async def new_totp(at: IdentityServices, person: Person) -> TotpSecret:
    """Make a secret for an authenticator app; it counts once a code of it was given."""
    made = await begin_totp(at.people_db, at.ids, at.vault, person)
    return TotpSecret(secret=made.secret.get_secret_value(), uri=made.uri.get_secret_value())


async def confirmed_totp(
    at: IdentityServices, user_id: str, code: SecretStr, address: str, *, first: bool = False
) -> FactorProof:
    """Put the secret of ``new_totp`` into use. Raises as ``confirm_totp`` does."""
    return await confirm_totp(
        at.people_db,
        at.vault,
        at.throttle,
        at.clock,
        user_id=user_id,
        code=code.get_secret_value(),
        address=address,
        first=first,
    )


async def given_totp(
    at: IdentityServices, user_id: str, code: SecretStr, address: str
) -> FactorProof:
    """Accept a code of an authenticator app, once. Raises as ``check_totp`` does."""
    return await check_totp(
        at.people_db,
        at.vault,
        at.throttle,
        at.clock,
        user_id=user_id,
        code=code.get_secret_value(),
        address=address,
    )


async def given_recovery_code(
    at: IdentityServices, user_id: str, code: SecretStr, address: str
) -> FactorProof:
    """Accept a recovery code, once. Raises as ``use_recovery_code`` does."""
    return await use_recovery_code(
        at.people_db, at.throttle, at.clock, user_id=user_id, code=code, address=address
    )
