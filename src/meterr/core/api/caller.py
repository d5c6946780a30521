"""Who sent a request to our API, and what endpoints may know of it."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from meterr.core.events import Source
from meterr.core.policy import Actor
from meterr.core.principal import Principal

CALLER: Final = "meterr.caller"
"""Scope key: who sends this request, once the gate has let it in."""


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Somebody whom the gate has let in.

    ``address`` is the client's behind trusted proxies, "" where nobody can know. ``reason`` is
    what they say it is for, ``breaks_glass`` whether a super_admin's role lets them in. ``group``
    is the operation's that a stranger calls: who reads the document still signs in.
    """

    address: str
    user_agent: str
    actor: Actor | None = None
    session_id: str = ""
    by_cookie: bool = False
    reason: str = ""
    breaks_glass: bool = False
    group: str = ""
    principal: Principal | None = None
    tenant_id: str = ""

    @property
    def source(self) -> Source:
        """The caller as events name it."""
        if self.principal is not None:
            return Source.key(self.principal.key_id, self.address)
        if self.actor is None:
            return Source.stranger(self.address)
        return Source.user(self.actor.user_id, self.address)

    @property
    def who(self) -> Actor:
        """The person. Raises RuntimeError where none need be signed in: a slip of ours."""
        if self.actor is None:
            raise RuntimeError("a route that is not for people alone asked who calls")
        return self.actor

    @property
    def author(self) -> str:
        """The person as lists name who asked for something. Raises as ``who`` does."""
        return f"user {self.who.user_id}"


async def caller_of(request: Request) -> Caller:
    """Return the caller of a request that the gate has let in."""
    caller: Caller = request.scope[CALLER]
    return caller


CallerHere = Annotated[Caller, Depends(caller_of)]
"""The parameter by which an endpoint learns who calls."""
