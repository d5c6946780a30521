"""The one table of roles and permissions. What it does not say is denied."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from meterr.core.policy.actor import Role
from meterr.core.policy.permission import Permission, Plane

_EVERYBODY: Final = (
    "self:profile:read",
    "self:password:change",
    "self:factor:read",
    "self:factor:change",
    "self:session:read",
    "self:session:end",
    "self:notice:read",
)
_TENANT_USER: Final = (
    "tenant:usage:read",
    "tenant:key:read",
    "tenant:limit:read",
    "tenant:settings:read",
    "tenant:query:ask",
)
_TENANT_ADMIN: Final = (
    *_TENANT_USER,
    "tenant:call:read",
    "tenant:key:create",
    "tenant:key:change",
    "tenant:key:rotate",
    "tenant:key:revoke",
    "tenant:key:rotate_all",
    "tenant:limit:change",
    "tenant:member:read",
    "tenant:member:invite",
    "tenant:member:remove",
    "tenant:role:change",
    "tenant:session:end",
    "tenant:event:read",
    "tenant:settings:change",
    "tenant:query:save",
)
# Break-glass: into any tenant, each time with a factor and a reason. Not an admin who outranks the
# others: none gets a key of a tenant's, or makes one mean more.
_BREAK_GLASS: Final = (
    "tenant:usage:read",
    "tenant:call:read",
    "tenant:key:read",
    "tenant:key:revoke",
    "tenant:key:rotate_all",
    "tenant:limit:read",
    "tenant:limit:change",
    "tenant:member:read",
    "tenant:member:invite",
    "tenant:member:remove",
    "tenant:role:change",
    "tenant:session:end",
    "tenant:event:read",
    "tenant:settings:read",
    "tenant:query:ask",
    "platform:tenant:read",
    "platform:tenant:create",
    "platform:tenant:change",
    "platform:user:read",
    "platform:user:change",
    "platform:role:change",
    "platform:key:rotate_all",
    "platform:credential:read",
    "platform:credential:change",
)
_ROLES: Final[Mapping[str, Iterable[str]]] = {
    "user": (*_EVERYBODY, *_TENANT_USER),
    "admin": (*_EVERYBODY, *_TENANT_ADMIN),
    "super_admin": (*_EVERYBODY, *_BREAK_GLASS),
}
# A factor given within the last minutes, however long the session is.
_STEP_UP: Final = (
    "self:password:change",
    "self:factor:change",
    "tenant:key:change",
    "tenant:key:rotate",
    "tenant:key:rotate_all",
    "tenant:member:invite",
    "tenant:member:remove",
    "tenant:role:change",
    "platform:user:change",
    "platform:role:change",
    "platform:key:rotate_all",
    "platform:credential:change",
)
# Of these, what somebody without any factor needs a session for that began within those minutes: a
# stolen one would else make the first factor, and so a way in that stays. Who changes a password
# gives the one before, which is as good.
_SIGN_IN: Final = ("self:factor:change",)


class TableError(ValueError):
    """The table names a role or permission that does not exist, or leaves one out."""


def read_table(roles: Mapping[str, Iterable[str]]) -> Mapping[Role, frozenset[Permission]]:
    """
    Return the table in types; an unknown name stops the import that would have served it.

    Raises:
        TableError: a role or permission is unknown or missing, or one that no admin of a tenant may
            have stands in the wrong row.
    """
    table = {_role(name): frozenset(map(permission, names)) for name, names in roles.items()}
    if missing := set(Role) - set(table):
        raise TableError(f"the table has no row for {sorted(missing)}")
    for role, granted in table.items():
        beyond = {each for each in granted if each.plane is Plane.PLATFORM}
        if role is not Role.SUPER_ADMIN and beyond:
            raise TableError(f"{role} is no role of the platform: {sorted(beyond)}")
    if unused := set(Permission) - frozenset().union(*table.values()):
        raise TableError(f"nobody may {sorted(unused)}: grant it or delete it")
    return MappingProxyType(table)


def permission(name: str) -> Permission:
    """Return the permission called ``name``; TableError when there is none."""
    try:
        return Permission(name)
    except ValueError:
        raise TableError(f"{name!r} is no permission") from None


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise TableError(f"{name!r} is no role") from None


TABLE: Final = read_table(_ROLES)
STEP_UP: Final = frozenset(map(permission, _STEP_UP))
SIGN_IN: Final = frozenset(map(permission, _SIGN_IN))
