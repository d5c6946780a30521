"""Every permission there is, as ``plane:resource:action``. What is not here cannot be asked for."""

from enum import StrEnum


class Plane(StrEnum):
    """Whose things a permission is about."""

    SELF = "self"  # one's own account
    TENANT = "tenant"  # one tenant's, and which one is part of the question
    PLATFORM = "platform"  # the installation's; super_admins only


class Permission(StrEnum):
    """What can be allowed. Every route names one, and each of these has a route."""

    SELF_PROFILE_READ = "self:profile:read"
    SELF_PASSWORD_CHANGE = "self:password:change"  # noqa: S105 - the name of a permission
    SELF_FACTOR_READ = "self:factor:read"
    SELF_FACTOR_CHANGE = "self:factor:change"
    SELF_SESSION_READ = "self:session:read"
    SELF_SESSION_END = "self:session:end"
    SELF_NOTICE_READ = "self:notice:read"

    TENANT_USAGE_READ = "tenant:usage:read"
    TENANT_CALL_READ = "tenant:call:read"
    TENANT_KEY_READ = "tenant:key:read"
    TENANT_KEY_CREATE = "tenant:key:create"
    TENANT_KEY_CHANGE = "tenant:key:change"
    TENANT_KEY_ROTATE = "tenant:key:rotate"
    TENANT_KEY_REVOKE = "tenant:key:revoke"
    TENANT_KEY_ROTATE_ALL = "tenant:key:rotate_all"
    TENANT_LIMIT_READ = "tenant:limit:read"
    TENANT_LIMIT_CHANGE = "tenant:limit:change"
    TENANT_MEMBER_READ = "tenant:member:read"
    TENANT_MEMBER_INVITE = "tenant:member:invite"
    TENANT_MEMBER_REMOVE = "tenant:member:remove"
    TENANT_ROLE_CHANGE = "tenant:role:change"
    TENANT_SESSION_END = "tenant:session:end"
    TENANT_EVENT_READ = "tenant:event:read"
    TENANT_QUERY_ASK = "tenant:query:ask"
    TENANT_QUERY_SAVE = "tenant:query:save"
    TENANT_SETTINGS_READ = "tenant:settings:read"
    TENANT_SETTINGS_CHANGE = "tenant:settings:change"

    PLATFORM_TENANT_READ = "platform:tenant:read"
    PLATFORM_TENANT_CREATE = "platform:tenant:create"
    PLATFORM_TENANT_CHANGE = "platform:tenant:change"
    PLATFORM_USER_READ = "platform:user:read"
    PLATFORM_USER_CHANGE = "platform:user:change"
    PLATFORM_ROLE_CHANGE = "platform:role:change"
    PLATFORM_KEY_ROTATE_ALL = "platform:key:rotate_all"
    PLATFORM_CREDENTIAL_READ = "platform:credential:read"
    PLATFORM_CREDENTIAL_CHANGE = "platform:credential:change"

    @property
    def plane(self) -> Plane:
        """Whose things it is about: the first part of its name."""
        return Plane(self.value.partition(":")[0])
