"""Begins sessions and writes their tokens: what sign-in, refresh and step-up have in common."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.ids import IdFactory
from meterr.core.tokens import Claims, Rules, SigningKey, sign
from meterr.identity.sessions import store
from meterr.identity.sessions.model import Grant, Lifetimes, SessionClient, SessionInfo
from meterr.identity.sessions.refresh_token import SECRET_BYTES, Macs, digest_of, mint
from meterr.identity.sessions.signing_keys import SigningKeys

ADDRESS_CHARS_MAX: Final = 64
USER_AGENT_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Issuer:
    """
    What every service about sessions needs. ``db`` acts as ``Role.IDENTITY``.

    ``pepper_id`` names the first of ``macs``: it is kept with each session, so that nobody takes a
    pepper away that somebody is signed in by.
    """

    db: Database
    clock: Clock
    ids: IdFactory
    keys: SigningKeys
    rules: Rules
    macs: Macs = field(repr=False)
    pepper_id: str
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    randomness: Callable[[int], bytes] = os.urandom

    async def begin(
        self,
        connection: Connection,
        key: SigningKey,
        *,
        user_id: str,
        factor_at_ms: int | None,
        client: SessionClient,
        ends_at_ms: int | None = None,
    ) -> Grant:
        """
        Begin a session under an id that nobody has seen; the oldest surplus ones end.

        To be called with the person locked and found active. ``ends_at_ms`` is given when the
        session takes the place of another, whose longest life it has.
        """
        now_ms = self.clock.unix_ms()
        seen = self.seen(client)
        session = SessionInfo(
            session_id=self.ids.new(),
            address=seen.address,
            user_agent=seen.user_agent,
            created_at_ms=now_ms,
            seen_at_ms=now_ms,
            factor_at_ms=factor_at_ms,
            ends_at_ms=ends_at_ms or now_ms + self.lifetimes.absolute_s * 1000,
        )
        refresh = mint(session.session_id, 0, self.randomness(SECRET_BYTES), self.macs)
        await store.insert_session(connection, session, user_id, digest_of(refresh), self.pepper_id)
        await store.end_surplus(connection, user_id, self.lifetimes.per_person_max, now_ms)
        await store.prune_sessions(connection, now_ms)
        return self.grant(key, session.session_id, user_id, refresh, session.ends_at_ms)

    def grant(
        self, key: SigningKey, session_id: str, user_id: str, refresh: SecretStr, ends_at_ms: int
    ) -> Grant:
        """Return a session's tokens, with a new access token."""
        now_ms = self.clock.unix_ms()
        now_s = now_ms // 1000
        # Never past the session's own end, but always a moment: a token has a life.
        expires_at_s = max(now_s + 1, min(now_s + self.lifetimes.access_s, ends_at_ms // 1000))
        claims = Claims(
            user_id=user_id,
            session_id=session_id,
            token_id=self.ids.new(),
            issued_at_s=now_s,
            expires_at_s=expires_at_s,
        )
        return Grant(
            session_id=session_id,
            user_id=user_id,
            access=SecretStr(sign(key, claims, self.rules)),
            refresh=refresh,
            access_ends_at_ms=expires_at_s * 1000,
            refresh_ends_at_ms=min(ends_at_ms, now_ms + self.lifetimes.idle_s * 1000),
        )

    def seen(self, client: SessionClient) -> SessionClient:
        """Return a client as it may be stored and shown."""
        return SessionClient(
            address=_printable(client.address, ADDRESS_CHARS_MAX),
            user_agent=_printable(client.user_agent, USER_AGENT_CHARS_MAX),
        )


def _printable(text: str, chars_max: int) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:chars_max])
