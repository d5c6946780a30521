"""Who sent a request to our API, and what endpoints may know of it."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from meterr.core.events import Source
from meterr.core.policy import Actor

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

    @property
    def source(self) -> Source:
        """The caller as events name it."""
        if self.actor is None:
            return Source.stranger(self.address)
        return Source.user(self.actor.user_id, self.address)

    @property
    def who(self) -> Actor:
        """The person. Raises RuntimeError on a route that is open to all: a slip of ours."""
        if self.actor is None:
            raise RuntimeError("an open route asked who calls")
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
