"""Handing out sessions: in the answer for programs, as cookies for browsers. Never both."""

from datetime import datetime
from typing import Literal

from fastapi import Response
from pydantic import Field

from meterr.core.api import Caller, NotConfigured, Shown, instant
from meterr.core.clock import Clock
from meterr.identity.sessions import Cookies, Grant, SessionClient

Deliver = Literal["body", "cookies"]


class Granted(Shown):
    """A session that has begun or goes on. Tokens are null where they went out as cookies."""

    state: Literal["signed_in"] = "signed_in"
    session_id: str
    user_id: str
    access_token: str | None = Field(description="For `Authorization: Bearer`; minutes long.")
    refresh_token: str | None = Field(description="Good once, for the next pair.")
    access_ends_at: datetime | None
    refresh_ends_at: datetime | None


def client_of(caller: Caller) -> SessionClient:
    """Return the caller as sessions remember it."""
    return SessionClient(address=caller.address, user_agent=caller.user_agent)


def handed_out(
    grant: Grant, deliver: Deliver, response: Response, cookies: Cookies | None, clock: Clock
) -> Granted:
    """
    Return a grant as its receiver gets it; cookies are set on ``response``.

    Raises NotConfigured when cookies are asked for and there is no origin for them.
    """
    in_body = deliver == "body"
    if not in_body:
        for line in needed(cookies).set(grant, clock.unix_ms()):
            response.headers.append("set-cookie", line)
    return Granted(
        session_id=grant.session_id,
        user_id=grant.user_id,
        access_token=grant.access.get_secret_value() if in_body else None,
        refresh_token=grant.refresh.get_secret_value() if in_body else None,
        access_ends_at=instant(grant.access_ends_at_ms),
        refresh_ends_at=instant(grant.refresh_ends_at_ms),
    )


def needed(cookies: Cookies | None) -> Cookies:
    """Return ``cookies``, or raise NotConfigured."""
    if cookies is None:
        raise NotConfigured("A session in cookies", "sign_in.origin")
    return cookies
