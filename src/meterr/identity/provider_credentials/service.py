"""Provider credentials, write-only: one function is one use case is one transaction."""

from pydantic import SecretStr

from meterr.core.crypto import DataKeys
from meterr.core.db import Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.policy import PLATFORM
from meterr.identity.provider_credentials import store
from meterr.identity.provider_credentials.model import (
    NAME_CHARS_MAX,
    SECRET_CHARS_MAX,
    ProviderCredential,
    last4_of,
    place_of,
)


async def set_credential(
    db: Database, data_keys: DataKeys, upstream: str, secret: SecretStr, *, created_by: str
) -> ProviderCredential:
    """
    Store the credential of ``upstream``, sealed; it takes the place of the one before.

    Raises:
        Invalid: the name, the credential or ``created_by`` is empty, too long, or has characters
            that no header can carry. Never repeats the credential.
        KeyMissing, KeyRetired, KeyRefused: there is no key to seal it under.
    """
    name, text = _checked_name(upstream), _checked_secret(secret)
    async with db.tenant_transaction(PLATFORM) as connection:
        sealed = await data_keys.seal(connection, place_of(name), text.encode("ascii"))
        return await store.put_credential(connection, name, sealed, last4_of(text), created_by)


async def list_credentials(db: Database) -> list[ProviderCredential]:
    """Return what is stored, by name, without the credentials."""
    async with db.tenant_transaction(PLATFORM) as connection:
        return await store.list_credentials(connection)


async def remove_credential(db: Database, upstream: str) -> None:
    """Forget the credential of ``upstream``; the configured one counts again. Raises NotFound."""
    async with db.tenant_transaction(PLATFORM) as connection:
        removed = await store.remove_credential(connection, _checked_name(upstream))
    if not removed:
        raise NotFound("No credential is stored for an upstream of that name.")


async def open_credential(db: Database, data_keys: DataKeys, upstream: str) -> SecretStr | None:
    """
    Return the credential of ``upstream``, or None: for the gateway, and for nobody else.

    Raises Unreadable, KeyMissing.
    """
    async with db.tenant_transaction(PLATFORM) as connection:
        sealed = await store.read_sealed(connection, upstream)
        if sealed is None:
            return None
        secret = await data_keys.open(connection, place_of(upstream), sealed)
    return SecretStr(secret.decode("ascii"))


def _checked_name(upstream: str) -> str:
    if not 0 < len(upstream) <= NAME_CHARS_MAX or not upstream.isprintable():
        raise Invalid(
            f"An upstream's name has 1 to {NAME_CHARS_MAX} printable characters.", param="upstream"
        )
    return upstream


def _checked_secret(secret: SecretStr) -> str:
    text = secret.get_secret_value().strip()
    if not 0 < len(text) <= SECRET_CHARS_MAX:
        raise Invalid(
            f"A provider credential has 1 to {SECRET_CHARS_MAX} characters.", param="secret"
        )
    if not all("!" <= letter <= "~" for letter in text):
        raise Invalid("A provider credential holds printable ASCII without spaces.", param="secret")
    return text
