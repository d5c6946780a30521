"""Who calls: tenants, API keys and the proof of whose key was presented. See README.md."""

from meterr.identity.api_key import Environment
from meterr.identity.authenticator import Authenticator
from meterr.identity.authorisation import allows_model
from meterr.identity.errors import KeyRefused
from meterr.identity.keyring import Keyring, PepperRefused
from meterr.identity.model import Outage
from meterr.identity.service import (
    create_key,
    create_tenant,
    find_tenant,
    list_keys,
    list_tenants,
    revoke_key,
)
from meterr.identity.trust import Standing

__all__ = [
    "Authenticator",
    "Environment",
    "KeyRefused",
    "Keyring",
    "Outage",
    "PepperRefused",
    "Standing",
    "allows_model",
    "create_key",
    "create_tenant",
    "find_tenant",
    "list_keys",
    "list_tenants",
    "revoke_key",
]
