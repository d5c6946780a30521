"""``/api/v1/sessions``: going on, stepping up, listing and ending."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from fastapi import Request, Response
from pydantic import SecretStr

from meterr.core.api import Asked, Caller, CallerHere, NotConfigured, Operation, Shown, instant
from meterr.core.http.asgi import ERROR_HEADERS
from meterr.core.policy import Open, Permission
from meterr.identity.api.factors import Code, PasskeyOptions, given_totp, needed_passkeys
from meterr.identity.api.gate import cookie_headers
from meterr.identity.api.handing_out import Deliver, Granted, client_of, handed_out, needed
from meterr.identity.api.services import IdentityServices
from meterr.identity.api.sign_in import Secret
from meterr.identity.factors import FactorProof, FactorRefused, PasskeyProof, PasskeyRefused
from meterr.identity.sessions import Grant, SessionRefused
from meterr.identity.sessions.model import SessionInfo, SignedIn
from meterr.identity.throttle import TooManyAttempts

_PATH: Final = "/api/v1/sessions"


class RefreshAsked(Asked):
    """The refresh token; left out by browsers, whose cookie has it."""

    refresh_token: Secret | None = None


class StepUpCode(Asked):
    """A code of the authenticator app."""

    code: Code


class StepUpPasskey(Asked):
    """What the browser's ``navigator.credentials.get`` answered."""

    credential: dict[str, Any]


class SessionShown(Shown):
    """One of one's own sessions. Address and user agent are what was sent, no proof."""

    session_id: str
    address: str
    user_agent: str
    created_at: datetime | None
    seen_at: datetime | None
    factor_at: datetime | None
    ends_at: datetime | None
    current: bool


class SessionList(Shown):
    """One's own sessions, last seen first; their number has a limit."""

    items: list[SessionShown]


class EndedShown(Shown):
    """How many sessions ended."""

    ended: int


class SessionRoutes:
    """What happens to sessions after they began."""

    def __init__(self, services: IdentityServices) -> None:
        self._at = services

    async def refresh(
        self, asked: RefreshAsked, request: Request, caller: CallerHere, response: Response
    ) -> Granted:
        """Exchange a refresh token for the next pair. One that comes back late ends the session."""
        token, by_cookie = self._refresh_token(asked, request)
        if by_cookie:  # what is refused is no use to the browser any more
            lines = needed(self._at.cookies).clear()
            request.scope[ERROR_HEADERS] += [(b"set-cookie", line.encode()) for line in lines]
        found = await self._at.sessions.refresh(token, client_of(caller))
        if found.grant is None:
            raise SessionRefused("refresh_token_reused")
        return self._handed(found.grant, response, by_cookie=by_cookie)

    async def sign_out(self, asked: RefreshAsked, request: Request, response: Response) -> None:
        """End the session of a refresh token; no error when it is over. Takes cookies away."""
        token, by_cookie = self._refresh_token(asked, request)
        await self._at.sessions.sign_out_with(token)
        if by_cookie:
            for line in needed(self._at.cookies).clear():
                response.headers.append("set-cookie", line)

    async def list(self, caller: CallerHere) -> SessionList:
        """List one's own sessions."""
        found = await self._at.sessions.list(_signed_in(caller))
        return SessionList(items=[_shown(each) for each in found])

    async def end_current(self, caller: CallerHere, response: Response) -> None:
        """End the session that asks."""
        await self._at.sessions.sign_out(_signed_in(caller))
        if caller.by_cookie:
            for line in needed(self._at.cookies).clear():
                response.headers.append("set-cookie", line)

    async def end(self, session_id: str, caller: CallerHere) -> None:
        """End one of one's own sessions."""
        await self._at.sessions.end(_signed_in(caller), session_id)

    async def end_all(self, caller: CallerHere, but_here: bool = False) -> EndedShown:
        """End all of one's own sessions, or all others."""
        ended = await self._at.sessions.sign_out_everywhere(_signed_in(caller), but_here=but_here)
        return EndedShown(ended=ended)

    async def step_up(self, asked: StepUpCode, caller: CallerHere, response: Response) -> Granted:
        """Give a second factor once more; the session goes on under a new id."""
        proof = await given_totp(self._at, caller.who.user_id, asked.code, caller.address)
        return await self._stepped_up(caller, proof, response)

    async def begin_passkey(self, caller: CallerHere) -> PasskeyOptions:
        """Begin to step up with a passkey."""
        options = await needed_passkeys(self._at).begin_sign_in(caller.address, caller.who.user_id)
        return PasskeyOptions(options=json.loads(options))

    async def step_up_passkey(
        self, asked: StepUpPasskey, caller: CallerHere, response: Response
    ) -> Granted:
        """Step up with a passkey."""
        answer = json.dumps(asked.credential)
        user_id = caller.who.user_id
        proof = await needed_passkeys(self._at).finish_sign_in(caller.address, answer, user_id)
        return await self._stepped_up(caller, proof, response)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        read, end = Permission.SELF_SESSION_READ, Permission.SELF_SESSION_END
        up = f"{_PATH}/step-up"
        whose = Open("A refresh token, which is asked for here, is the proof.")
        passkey = (PasskeyRefused, TooManyAttempts, NotConfigured)
        of = partial(Operation.of, "sessions")
        yield of("POST", f"{_PATH}/refresh", whose, self.refresh, SessionRefused)
        yield of("POST", f"{_PATH}/sign-out", whose, self.sign_out, SessionRefused, status=204)
        yield of("GET", _PATH, read, self.list)
        yield of("DELETE", f"{_PATH}/current", end, self.end_current, status=204)
        yield of("DELETE", f"{_PATH}/{{session_id}}", end, self.end, status=204)
        yield of("DELETE", _PATH, end, self.end_all)
        yield of("POST", f"{up}/totp", read, self.step_up, FactorRefused, TooManyAttempts)
        yield of("POST", f"{up}/passkey/begin", read, self.begin_passkey, *passkey)
        yield of("POST", f"{up}/passkey", read, self.step_up_passkey, *passkey)

    def _refresh_token(self, asked: RefreshAsked, request: Request) -> tuple[SecretStr, bool]:
        if asked.refresh_token is not None:
            return asked.refresh_token, False
        if self._at.cookies is not None:
            refresh = self._at.cookies.read(cookie_headers(request.scope)).refresh
            if refresh is not None:
                return refresh, True
        raise SessionRefused("nothing_presented")

    async def _stepped_up(
        self, caller: Caller, proof: FactorProof | PasskeyProof, response: Response
    ) -> Granted:
        grant = await self._at.sessions.step_up(_signed_in(caller), proof, client_of(caller))
        return self._handed(grant, response, by_cookie=caller.by_cookie)

    def _handed(self, grant: Grant, response: Response, *, by_cookie: bool) -> Granted:
        """Hand out a grant the way its session came."""
        deliver: Deliver = "cookies" if by_cookie else "body"
        return handed_out(grant, deliver, response, self._at.cookies, self._at.clock)


def _signed_in(caller: Caller) -> SignedIn:
    return SignedIn(session_id=caller.session_id, actor=caller.who)


def _shown(session: SessionInfo) -> SessionShown:
    return SessionShown(
        session_id=session.session_id,
        address=session.address,
        user_agent=session.user_agent,
        created_at=instant(session.created_at_ms),
        seen_at=instant(session.seen_at_ms),
        factor_at=instant(session.factor_at_ms),
        ends_at=instant(session.ends_at_ms),
        current=session.current,
    )
