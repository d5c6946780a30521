"""The gate of our API: whose session a request belongs to, and whether that person may."""

import re
from dataclasses import dataclass
from typing import Final

from meterr.core import events
from meterr.core.api import Caller, Operation
from meterr.core.api.operation import TENANT_HEADER
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.http.asgi import Headers, Scope
from meterr.core.http.client_address import client_address
from meterr.core.http.web import KNOWN
from meterr.core.policy import PLATFORM, Actor, Permission, Verdict, allowed
from meterr.core.policy.permission import Plane
from meterr.core.principal import Scope as KeyScope
from meterr.core.telemetry import RequestLine
from meterr.identity.authenticator import Authenticator
from meterr.identity.presented import PREFIX, authenticated, presented_key, require_key_scope
from meterr.identity.sessions import Authority, Cookies, SessionRefused
from meterr.identity.terms import is_uuid

REASON_HEADER: Final = b"x-meterr-reason"
_BEARER: Final = re.compile(r"[Bb]earer +([\x21-\x7e]+) *")


@dataclass(frozen=True, slots=True)
class SessionGate:
    """
    Lets a request in by its session; by an API key only where the operation names a scope for it.

    A bearer token counts before a cookie, and a request that has one is never looked at for
    cookies. An API key is no session, whichever header it comes in. Where a super_admin gets in by
    that role, this and the reason are on record before anything is done. ``db`` acts as Role.APP.
    """

    authority: Authority
    cookies: Cookies | None
    clock: Clock
    step_up_ms: int
    db: Database
    authenticator: Authenticator

    async def admit(
        self, scope: Scope, operation: Operation, tenant_id: str | None, line: RequestLine
    ) -> Caller:
        """
        Return the caller of ``operation``.

        Raises:
            SessionRefused, SessionUnverifiable: nobody is signed in, or who it is cannot be known.
            NotFound: the tenant is none, or not the caller's.
            Forbidden, ProofNeeded: the policy says no, or wants a factor or a reason first.
            KeyRefused, ScopeMissing: so for a key, where keys may call.
        """
        address = str(client_address(scope) or "")
        agent = _header(scope, b"user-agent")
        access = operation.access
        if not isinstance(access, Permission):
            return Caller(address=address, user_agent=agent, group=operation.group)
        if operation.key_scope is not None and _shows_key(scope):
            return await self._with_key(scope, operation.key_scope, line)
        token, by_cookie = self._token(scope, operation)
        signed_in = await self.authority.signed_in(token)
        line.user_id = signed_in.actor.user_id
        if operation.of_caller:
            tenant_id = _named_or_only(scope, signed_in.actor)
        if tenant_id is not None and signed_in.actor.role_in(tenant_id) is not None:
            line.tenant_id = tenant_id  # what is refused to its own people is its admins' to know
        reason = _reason(scope)
        verdict = self._judge(signed_in.actor, access, tenant_id, reason)
        line.tenant_id = tenant_id or ""
        return Caller(
            address=address,
            user_agent=agent,
            actor=signed_in.actor,
            session_id=signed_in.session_id,
            by_cookie=by_cookie,
            reason=reason,
            breaks_glass=verdict.breaks_glass,
            tenant_id=tenant_id or "",
        )

    async def _with_key(self, scope: Scope, wanted: KeyScope, line: RequestLine) -> Caller:
        principal = await authenticated(self.authenticator, scope, scope[KNOWN], line)
        require_key_scope(principal, wanted)
        if _tenant_named(scope) not in {"", principal.tenant_id}:
            raise NotFound("There is no such tenant.")
        return Caller(
            address=str(client_address(scope) or ""),
            user_agent=_header(scope, b"user-agent"),
            principal=principal,
            tenant_id=principal.tenant_id,
        )

    async def let_in(self, caller: Caller, operation: Operation) -> None:
        """Record that glass is broken, and what for; DatabaseUnavailable lets nobody in."""
        if not caller.breaks_glass:
            return
        told = events.Event(
            events.Kind.BREAK_GLASS_USED,
            caller.tenant_id or None,
            caller.source,
            detail={"permission": str(operation.access), "reason": caller.reason},
        )
        async with self.db.transaction() as connection:
            await events.record(connection, told)

    def _judge(
        self, actor: Actor, permission: Permission, tenant_id: str | None, reason: str
    ) -> Verdict:
        if permission.plane is Plane.TENANT and not _can_be_tenant(tenant_id):
            raise NotFound("There is no such tenant.")
        verdict = allowed(
            actor,
            permission,
            tenant_id,
            now_ms=self.clock.unix_ms(),
            reason=reason,
            step_up_ms=self.step_up_ms,
        )
        verdict.require()
        return verdict

    def _token(self, scope: Scope, operation: Operation) -> tuple[str, bool]:
        """Return the access token, and whether it came as a cookie."""
        written = [value for name, value in scope["headers"] if name == b"authorization"]
        if written:
            if len(written) > 1:
                raise Invalid("The request has more than one Authorization header.")
            bearer = _BEARER.fullmatch(written[0].decode("latin-1"))
            if bearer is None:
                raise SessionRefused("no_bearer_token")
            return bearer[1], False
        if operation.cookie and self.cookies is not None:
            access = self.cookies.read(cookie_headers(scope)).access
            if access is not None:
                return access.get_secret_value(), True
        raise SessionRefused("nothing_presented")


def cookie_headers(scope: Scope) -> list[str]:
    """Return the values of all Cookie headers of a request."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]


def _shows_key(scope: Scope) -> bool:
    known = scope[KNOWN]
    return b"x-api-key" in known or presented_key(known).startswith(PREFIX)


def _named_or_only(scope: Scope, actor: Actor) -> str:
    """Return the tenant that the request names, else the only one of this person's."""
    named = _tenant_named(scope)
    own = [tenant_id for tenant_id in actor.roles if tenant_id != PLATFORM]
    if named or len(own) == 1:
        return named or own[0]
    raise Invalid(
        f"You are a member of {len(own)} tenants. Name one by its id in the header "
        f"{TENANT_HEADER}.",
        param=TENANT_HEADER,
    )


def _tenant_named(scope: Scope) -> str:
    wanted = TENANT_HEADER.lower().encode()
    written = [value for name, value in scope["headers"] if name == wanted]
    if len(written) > 1:
        raise Invalid(f"The request has more than one {TENANT_HEADER} header.")
    return written[0].decode("latin-1").strip() if written else ""


def _can_be_tenant(tenant_id: str | None) -> bool:
    if tenant_id is None or tenant_id == PLATFORM:
        return False
    return is_uuid(tenant_id) and tenant_id == tenant_id.lower()


def _reason(scope: Scope) -> str:
    """Return why a super_admin does this; UTF-8, printable, once."""
    written: list[bytes] = [value for name, value in scope["headers"] if name == REASON_HEADER]
    if not written:
        return ""
    try:
        reason = written[0].decode("utf-8").strip()
    except UnicodeDecodeError:
        reason = "\0"
    if len(written) > 1 or not reason.isprintable():
        raise Invalid("X-Meterr-Reason is one line of printable text.", param="X-Meterr-Reason")
    return reason


def _header(scope: Scope, wanted: bytes) -> str:
    headers: Headers = scope["headers"]
    found = next((value for name, value in headers if name == wanted), b"")
    return found.decode("latin-1")
