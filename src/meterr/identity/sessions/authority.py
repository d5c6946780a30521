"""From an access token to who acts: by memory while it can be believed, else by the database."""

from collections.abc import Mapping
from typing import Final

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database, Role
from meterr.core.errors import Unavailable
from meterr.core.policy import Actor
from meterr.core.tokens import Claims, Flaw, Rules, TokenRefused, VerifyingKey, verify
from meterr.identity.deadline import within
from meterr.identity.model import Outage
from meterr.identity.notify import Listener
from meterr.identity.sessions import store
from meterr.identity.sessions.errors import SessionRefused, SessionUnverifiable
from meterr.identity.sessions.key_states import KnownKey
from meterr.identity.sessions.memory import SessionMemory
from meterr.identity.sessions.model import LiveSession, SignedIn
from meterr.identity.trust import Standing, Trust

READ_TIMEOUT_S: Final = 1.0
KEYS_AGAIN_S: Final = 1.0
"""A name of a key that we do not know costs at most one look per second, whoever makes them up."""


class Authority:
    """
    Decide who sent a request. One per process; belongs to one event loop.

    ``run`` must be running for sessions to be served from memory. Without it everything is still
    right, at one read per request. Takes the database as ``Role.IDENTITY``.
    """

    def __init__(self, db: Database, dsn: str, clock: Clock, rules: Rules) -> None:
        self._db = db
        self._clock = clock
        self._rules = rules
        self._memory = SessionMemory()
        # Nobody is served from memory while no server runs: what people do here needs it anyway.
        self._trust = Trust(Outage.REFUSE)
        self._listener = Listener(dsn, self._memory, self._trust, clock, _nothing, Role.IDENTITY)
        self._keys_read_at = float("-inf")

    @property
    def state(self) -> Standing:
        """How much this process knows about sessions right now."""
        return self._trust.standing(self._clock.monotonic())

    async def run(self) -> None:
        """Keep the memory true until cancelled."""
        await self._listener.run()

    async def signed_in(self, token: str) -> SignedIn:
        """
        Return who sent ``token``, with the roles and the factor of now.

        Raises:
            SessionRefused: the token or its session does not count (401); one public text.
            SessionUnverifiable: whether it counts cannot be known now (503).
        """
        if self.state is Standing.LIVE:
            claims = await self._claims(token)
            session = self._memory.get(claims.session_id)
            if session is None:
                session, _ = await self._read(claims.session_id, with_keys=False)
        else:
            claims, session = await self._asked(token)
        return self._judged(claims, session)

    async def _claims(self, token: str) -> Claims:
        """Return what a token says, by the keys in memory."""
        try:
            return self._verified(token, self._memory.keys)
        except TokenRefused as refused:
            now = self._clock.monotonic()
            if refused.flaw is not Flaw.KEY or now < self._keys_read_at + KEYS_AGAIN_S:
                raise SessionRefused(refused.flaw.value) from None
            self._keys_read_at = now
        _, keys = await self._read(None, with_keys=True)
        try:
            return self._verified(token, keys)
        except TokenRefused as refused:
            raise SessionRefused(refused.flaw.value) from None

    async def _asked(self, token: str) -> tuple[Claims, LiveSession | None]:
        """Ask the database about key and session; about nothing that no key of ours can have."""
        try:
            claims = self._verified(token, self._memory.keys)
        except TokenRefused as refused:
            if refused.flaw is not Flaw.KEY:
                raise SessionRefused(refused.flaw.value) from None
            claims = None
        session_id = None if claims is None else claims.session_id
        session, keys = await self._read(session_id, with_keys=True)
        try:
            now_claims = self._verified(token, keys)
        except TokenRefused as refused:
            raise SessionRefused(refused.flaw.value) from None
        if claims is None:
            session, _ = await self._read(now_claims.session_id, with_keys=False)
        return now_claims, session

    def _verified(self, token: str, keys: Mapping[str, KnownKey]) -> Claims:
        now_ms = self._clock.unix_ms()

        def key_of(kid: str) -> VerifyingKey | None:
            known = keys.get(kid)
            return known.key if known is not None and known.accepts(now_ms) else None

        return verify(token, key_of, now_ms // 1000, self._rules)

    async def _read(
        self, session_id: str | None, *, with_keys: bool
    ) -> tuple[LiveSession | None, Mapping[str, KnownKey]]:
        notices = self._memory.notices
        try:
            session, keys = await within(READ_TIMEOUT_S, self._select(session_id, with_keys))
        except Unavailable as error:
            raise SessionUnverifiable(error.private) from error
        except TimeoutError as error:
            raise SessionUnverifiable("no answer from the database in time") from error
        except psycopg.Error as error:
            # Not an outage but our own fault (schema, grants): still no verdict about the session.
            raise SessionUnverifiable(f"{type(error).__name__}: {error}") from error
        if self.state is Standing.LIVE:
            self._memory.remember(session, keys if with_keys else None, notices)
        return session, keys

    async def _select(
        self, session_id: str | None, with_keys: bool
    ) -> tuple[LiveSession | None, Mapping[str, KnownKey]]:
        async with self._db.transaction() as connection:
            keys = await store.read_verifying_keys(connection) if with_keys else {}
            if session_id is None:
                return None, keys
            return await store.read_session(connection, session_id), keys

    def _judged(self, claims: Claims, session: LiveSession | None) -> SignedIn:
        if session is None or session.user_id != claims.user_id:
            raise SessionRefused("no_session")
        if not session.lives or self._clock.unix_ms() >= session.ends_at_ms:
            raise SessionRefused("session_over")
        return SignedIn(
            session_id=session.session_id,
            actor=Actor(
                user_id=session.user_id,
                roles=session.roles,
                factor_at_ms=session.factor_at_ms,
                began_at_ms=session.created_at_ms,
            ),
        )


def _nothing() -> None:
    """Nobody waits for news of the listener here: who is not LIVE asks the database."""
