"""What meterr shows to providers, stored encrypted. People can write it and not read it back."""

from meterr.identity.provider_credentials.model import SECRET, ProviderCredential
from meterr.identity.provider_credentials.service import (
    list_credentials,
    open_credential,
    remove_credential,
    set_credential,
)

__all__ = [
    "SECRET",
    "ProviderCredential",
    "list_credentials",
    "open_credential",
    "remove_credential",
    "set_credential",
]
