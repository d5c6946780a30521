"""``/api/v1/platform/credentials``: what meterr shows to providers. Written, never read back."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Annotated, Final

from pydantic import Field, SecretStr

from meterr.core.api import Asked, CallerHere, Operation, Shown, instant
from meterr.core.policy import Permission
from meterr.identity.api.services import IdentityServices
from meterr.identity.provider_credentials import (
    ProviderCredential,
    list_credentials,
    remove_credential,
    set_credential,
)

_PATH: Final = "/api/v1/platform/credentials"


class NewCredential(Asked):
    """A provider's API key."""

    secret: Annotated[SecretStr, Field(max_length=4096)]


class CredentialShown(Shown):
    """That a credential is stored. The last four characters show which one, of long ones only."""

    upstream: str
    last4: str
    created_at: datetime | None
    created_by: str


class CredentialList(Shown):
    """The stored credentials, by upstream; there are as many as upstreams at most."""

    items: list[CredentialShown]


class CredentialRoutes:
    """Stored provider credentials. Upstreams belong to no tenant, so neither do these."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def list(self, caller: CallerHere) -> CredentialList:
        """List which upstreams have a stored credential."""
        found = await list_credentials(self._at.db)
        return CredentialList(items=[_shown(each) for each in found])

    async def set(self, upstream: str, asked: NewCredential, caller: CallerHere) -> CredentialShown:
        """Store the credential of an upstream; it takes the place of the one before."""
        stored = await set_credential(
            self._at.db,
            self._at.data_keys,
            upstream,
            asked.secret,
            created_by=caller.author,
        )
        return _shown(stored)

    async def remove(self, upstream: str, caller: CallerHere) -> None:
        """Forget a stored credential; the configured one counts again."""
        await remove_credential(self._at.db, upstream)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, change = Permission.PLATFORM_CREDENTIAL_READ, Permission.PLATFORM_CREDENTIAL_CHANGE
        one = f"{_PATH}/{{upstream}}"
        of = partial(Operation.of, "credentials")
        yield of("GET", _PATH, read, self.list)
        yield of("PUT", one, change, self.set)
        yield of("DELETE", one, change, self.remove, status=204)


def _shown(stored: ProviderCredential) -> CredentialShown:
    return CredentialShown(
        upstream=stored.upstream,
        last4=stored.last4,
        created_at=instant(stored.created_at_ms),
        created_by=stored.created_by,
    )
