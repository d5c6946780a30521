"""A person who signed in, and what that person is. Built only by code that read it from a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PLATFORM: Final = "00000000-0000-0000-0000-000000000000"
"""Where super_admins are members, in the place of a tenant's id. No tenant has it."""


class Role(StrEnum):
    """What a person is in a tenant. Not a ladder: the table says what each may do."""

    USER = "user"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"  # only under PLATFORM


@dataclass(frozen=True, slots=True)
class Actor:
    """An active person, with memberships that count now. There is no default for any of it."""

    user_id: str
    roles: Mapping[str, Role]  # by tenant id; super_admins have theirs under PLATFORM
    factor_at_ms: int | None  # when this session last saw a second factor, or None for never
    began_at_ms: int  # when this session began, however often it was refreshed

    def role_in(self, tenant_id: str) -> Role | None:
        """Return the role in a tenant, or None for a stranger there."""
        return self.roles.get(tenant_id)
