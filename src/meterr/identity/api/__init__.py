"""The HTTP side of this room: who is let in, and what each route takes and shows."""

from collections.abc import Iterator

from meterr.core.api import Operation
from meterr.identity.api.credentials import CredentialRoutes
from meterr.identity.api.gate import SessionGate
from meterr.identity.api.key_policies import KeyPolicyRoutes
from meterr.identity.api.keys import KeyRoutes
from meterr.identity.api.me import MeRoutes
from meterr.identity.api.notices import NoticeRoutes
from meterr.identity.api.people import PeopleRoutes
from meterr.identity.api.platform import PlatformRoutes
from meterr.identity.api.rotation import RotationRoutes
from meterr.identity.api.services import IdentityServices
from meterr.identity.api.sessions import SessionRoutes
from meterr.identity.api.sign_in import SignInRoutes
from meterr.identity.api.tenant_settings import TenantSettingsRoutes

__all__ = ["IdentityServices", "SessionGate", "operations"]


def operations(services: IdentityServices) -> Iterator[Operation]:
    """Yield every route of this room."""
    for routes in (
        SignInRoutes(services),
        SessionRoutes(services),
        MeRoutes(services),
        NoticeRoutes(services),
        PeopleRoutes(services),
        RotationRoutes(services),
        KeyRoutes(services),
        KeyPolicyRoutes(services),
        TenantSettingsRoutes(services),
        PlatformRoutes(services),
        CredentialRoutes(services),
    ):
        yield from routes.operations()
