"""
Who may call what, written by hand from the issue and the documentation: the matrix's oracle.

It knows nothing of ``core.policy``. A route that is not here, or is here and not served, fails.
"""

from collections.abc import Mapping
from typing import Final

ANYBODY: Final = frozenset({"anonymous", "user", "admin", "super-admin"})
SIGNED_IN: Final = frozenset({"user", "admin", "super-admin"})
MEMBERS: Final = frozenset({"user", "admin", "super-admin"})
ADMINS: Final = frozenset({"admin"})
ADMINS_OR_GLASS: Final = frozenset({"admin", "super-admin"})
PLATFORM: Final = frozenset({"super-admin"})

_T: Final = "/api/v1/tenants/{tenant_id}"
_P: Final = "/api/v1/platform"
_S: Final = "/api/v1/sessions"
_I: Final = "/api/v1/sign-in"

MAY: Final[Mapping[str, frozenset[str]]] = {
    "GET /api/v1/openapi.json": ANYBODY,
    f"POST {_I}/password": ANYBODY,
    f"POST {_I}/totp": ANYBODY,
    f"POST {_I}/recovery-code": ANYBODY,
    f"POST {_I}/passkey/begin": ANYBODY,
    f"POST {_I}/passkey": ANYBODY,
    f"POST {_I}/enrolment/totp/begin": ANYBODY,
    f"POST {_I}/enrolment/totp": ANYBODY,
    f"POST {_I}/enrolment/passkey/begin": ANYBODY,
    f"POST {_I}/enrolment/passkey": ANYBODY,
    "POST /api/v1/invitations/take-up": ANYBODY,
    "POST /api/v1/key-claims/collect": ANYBODY,
    "POST /v1/leaks": ANYBODY,
    f"POST {_S}/refresh": ANYBODY,
    f"POST {_S}/sign-out": ANYBODY,
    f"GET {_S}": SIGNED_IN,
    f"DELETE {_S}": SIGNED_IN,
    f"DELETE {_S}/current": SIGNED_IN,
    f"DELETE {_S}/{{session_id}}": SIGNED_IN,
    f"POST {_S}/step-up/totp": SIGNED_IN,
    f"POST {_S}/step-up/passkey/begin": SIGNED_IN,
    f"POST {_S}/step-up/passkey": SIGNED_IN,
    "GET /api/v1/me": SIGNED_IN,
    "PUT /api/v1/me/password": SIGNED_IN,
    "GET /api/v1/me/factors": SIGNED_IN,
    "POST /api/v1/me/factors/totp/begin": SIGNED_IN,
    "PUT /api/v1/me/factors/totp": SIGNED_IN,
    "DELETE /api/v1/me/factors/totp": SIGNED_IN,
    "POST /api/v1/me/factors/passkeys/begin": SIGNED_IN,
    "POST /api/v1/me/factors/passkeys": SIGNED_IN,
    "DELETE /api/v1/me/factors/passkeys/{passkey_id}": SIGNED_IN,
    "POST /api/v1/me/factors/recovery-codes": SIGNED_IN,
    "GET /api/v1/me/notices": SIGNED_IN,
    "POST /api/v1/me/notices/{notice_id}/read": SIGNED_IN,
    # A user sees sums, keys and limits of the tenant; calls one by one are for administrators.
    f"GET {_T}/usage": MEMBERS,
    f"GET {_T}/calls": ADMINS_OR_GLASS,
    f"GET {_T}/keys": MEMBERS,
    f"GET {_T}/keys/{{key_id}}": MEMBERS,
    f"GET {_T}/keys/{{key_id}}/callers": MEMBERS,
    f"GET {_T}/key-policies": MEMBERS,
    f"GET {_T}/settings": MEMBERS,
    f"GET {_T}/limits": MEMBERS,
    f"GET {_T}/limit-events": MEMBERS,
    # A super_admin may stop keys and never gets one: making and rotating show a secret.
    f"POST {_T}/keys": ADMINS,
    f"PATCH {_T}/keys/{{key_id}}": ADMINS,
    f"PUT {_T}/key-policy": ADMINS,
    f"DELETE {_T}/key-policy": ADMINS,
    f"PUT {_T}/keys/{{key_id}}/policy": ADMINS,
    f"DELETE {_T}/keys/{{key_id}}/policy": ADMINS,
    f"PATCH {_T}/settings": ADMINS,
    f"POST {_T}/keys/{{key_id}}/rotate": ADMINS,
    f"POST {_T}/keys/{{key_id}}/revoke": ADMINS_OR_GLASS,
    f"POST {_T}/keys/revoke-made-by": ADMINS_OR_GLASS,
    f"POST {_T}/keys/rotate-all": ADMINS_OR_GLASS,
    f"POST {_T}/keys/claims": ADMINS,
    f"POST {_T}/limits": ADMINS_OR_GLASS,
    f"DELETE {_T}/limits/{{limit_id}}": ADMINS_OR_GLASS,
    f"GET {_T}/events": ADMINS_OR_GLASS,
    f"GET {_T}/members": ADMINS_OR_GLASS,
    f"POST {_T}/invitations": ADMINS_OR_GLASS,
    f"POST {_T}/admin-invitations": ADMINS_OR_GLASS,
    f"PUT {_T}/members/{{user_id}}/role": ADMINS_OR_GLASS,
    f"DELETE {_T}/members/{{user_id}}": ADMINS_OR_GLASS,
    f"DELETE {_T}/members/{{user_id}}/sessions": ADMINS_OR_GLASS,
    # Whoever sees sums may ask; saving a question vouches for its answer to all of the tenant.
    "POST /v1/query": MEMBERS,
    "POST /api/query": MEMBERS,
    "GET /v1/query/catalogue": MEMBERS,
    "GET /v1/query/questions": MEMBERS,
    "POST /v1/query/questions": ADMINS,
    "DELETE /v1/query/questions/{question_id}": ADMINS,
    f"GET {_P}/tenants": PLATFORM,
    f"POST {_P}/tenants": PLATFORM,
    f"PATCH {_P}/tenants/{{id}}": PLATFORM,
    f"GET {_P}/users": PLATFORM,
    f"POST {_P}/users/{{user_id}}/disable": PLATFORM,
    f"POST {_P}/users/{{user_id}}/enable": PLATFORM,
    f"POST {_P}/users/{{user_id}}/reset": PLATFORM,
    f"POST {_P}/users/{{user_id}}/reset-without-factors": PLATFORM,
    f"DELETE {_P}/users/{{user_id}}/sessions": PLATFORM,
    f"GET {_P}/super-admins": PLATFORM,
    f"POST {_P}/super-admins": PLATFORM,
    f"DELETE {_P}/super-admins/{{user_id}}": PLATFORM,
    f"POST {_P}/keys/rotate-all": PLATFORM,
    f"GET {_P}/credentials": PLATFORM,
    f"PUT {_P}/credentials/{{upstream}}": PLATFORM,
    f"DELETE {_P}/credentials/{{upstream}}": PLATFORM,
}

# What wants a second factor of the last ten minutes from whoever has one: rotation, changes of
# people and roles, one's own way in. A super_admin gives one for all beside the own account.
FRESH: Final = frozenset(
    {
        "PUT /api/v1/me/password",
        "POST /api/v1/me/factors/totp/begin",
        "PUT /api/v1/me/factors/totp",
        "DELETE /api/v1/me/factors/totp",
        "POST /api/v1/me/factors/passkeys/begin",
        "POST /api/v1/me/factors/passkeys",
        "DELETE /api/v1/me/factors/passkeys/{passkey_id}",
        "POST /api/v1/me/factors/recovery-codes",
        f"PATCH {_T}/keys/{{key_id}}",
        f"PUT {_T}/key-policy",
        f"DELETE {_T}/key-policy",
        f"PUT {_T}/keys/{{key_id}}/policy",
        f"DELETE {_T}/keys/{{key_id}}/policy",
        f"POST {_T}/keys/{{key_id}}/rotate",
        f"POST {_T}/keys/rotate-all",
        f"POST {_T}/keys/claims",
        f"POST {_T}/invitations",
        f"POST {_T}/admin-invitations",
        f"PUT {_T}/members/{{user_id}}/role",
        f"DELETE {_T}/members/{{user_id}}",
    }
)

# What an administrator of one tenant may do to a member of it and of another one: whatever is about
# this tenant. Sessions are about both.
TO_SHARED_MEMBERS: Final[Mapping[str, str]] = {
    f"PUT {_T}/members/{{user_id}}/role": "yes",
    f"DELETE {_T}/members/{{user_id}}": "yes",
    f"DELETE {_T}/members/{{user_id}}/sessions": "409 shared-member",
}

KEYED: Final[Mapping[str, str]] = {
    "POST /v1/query": "query",
    "POST /api/query": "query",
    "GET /v1/query/catalogue": "query",
    "GET /v1/query/questions": "query",
}
"""What an API key opens, and with which scope; it opens nothing else."""

BODIES: Final[Mapping[str, Mapping[str, object]]] = {
    f"POST {_I}/password": {"email": "nobody@example.com", "password": "x"},
    f"POST {_I}/totp": {"challenge": "x", "code": "123456"},
    f"POST {_I}/recovery-code": {"challenge": "x", "code": "123456"},
    f"POST {_I}/passkey/begin": {"challenge": "x"},
    f"POST {_I}/passkey": {"credential": {}, "challenge": "x"},
    f"POST {_I}/enrolment/totp/begin": {"challenge": "x"},
    f"POST {_I}/enrolment/totp": {"challenge": "x", "code": "123456"},
    f"POST {_I}/enrolment/passkey/begin": {"challenge": "x"},
    f"POST {_I}/enrolment/passkey": {"challenge": "x", "name": "x", "credential": {}},
    "POST /api/v1/invitations/take-up": {
        "token": "x",
        "password": "x",
        "code": "123456",
        "recovery_code": "x",
        "credential": {},
    },
    "POST /api/v1/key-claims/collect": {"code": "x"},
    f"POST {_S}/refresh": {"refresh_token": "x"},
    f"POST {_S}/sign-out": {"refresh_token": "x"},
    f"POST {_S}/step-up/totp": {"code": "123456"},
    f"POST {_S}/step-up/passkey": {"credential": {}},
    "PUT /api/v1/me/password": {"current": "x", "new": "y"},
    "PUT /api/v1/me/factors/totp": {"code": "123456"},
    "POST /api/v1/me/factors/passkeys": {"name": "x", "credential": {}},
    f"POST {_T}/keys": {
        "name": "x",
        "scopes": ["chat"],
        "environment": "live",
        "models": ["gpt-*"],
        "networks": ["10.0.0.0/8"],
        "expires_at": "2199-01-01T00:00:00Z",
        "owner": "x",
        "owner_user_id": "x",
        "created_by": "x",
        "output_tokens_default": 100,
        "send_output_default": True,
    },
    f"PATCH {_T}/keys/{{key_id}}": {
        "version": 1,
        "name": "x",
        "scopes": ["chat"],
        "models": ["gpt-*"],
        "networks": ["10.0.0.0/8"],
        "expires_at": "2199-01-01T00:00:00Z",
    },
    f"PUT {_T}/key-policy": {"max_age_s": 86400, "notice_s": 3600, "grace_s": 3600},
    f"PUT {_T}/keys/{{key_id}}/policy": {"max_age_s": 86400, "notice_s": 3600, "grace_s": 3600},
    f"PATCH {_T}/settings": {"unknown_price": "flag", "time_zone": "UTC"},
    f"POST {_T}/keys/{{key_id}}/rotate": {"reason": "x", "grace_s": 60},
    f"POST {_T}/keys/revoke-made-by": {"author": "x", "dry_run": True},
    f"POST {_T}/keys/rotate-all": {"reason": "x", "grace_s": 60, "dry_run": True},
    f"POST {_T}/keys/claims": {
        "reason": "x",
        "emergency_id": "x",
        "valid_s": 600,
        "after": "x",
        "limit": 10,
    },
    f"POST {_T}/limits": {
        "measure": "usd",
        "holder": "tenant",
        "span": "day",
        "amount": "5",
        "subject": "",
        "model": "",
        "hard": True,
    },
    f"POST {_T}/invitations": {"email": "x@example.com"},
    f"POST {_T}/admin-invitations": {"email": "x@example.com"},
    f"PUT {_T}/members/{{user_id}}/role": {"role": "user"},
    "POST /v1/query": {"sql": "select 1", "source": "usage"},
    "POST /api/query": {"sql": "select 1", "source": "usage"},
    "POST /v1/query/questions": {
        "question": "x",
        "sql": "select 1",
        "intent": "",
        "source": "usage",
    },
    f"POST {_P}/tenants": {"name": "x", "unknown_price": "flag", "time_zone": "UTC"},
    f"PATCH {_P}/tenants/{{id}}": {
        "state": "active",
        "unknown_price": "flag",
        "time_zone": "UTC",
    },
    f"POST {_P}/users/{{user_id}}/disable": {"leaving_no_admin": False},
    f"POST {_P}/super-admins": {"email": "x@example.com"},
    f"POST {_P}/keys/rotate-all": {"reason": "x", "grace_s": 60, "dry_run": True},
    f"PUT {_P}/credentials/{{upstream}}": {"secret": "x"},
}
"""A body for each route that takes one: every field of it, of the right type."""
