"""From presented bytes to a Principal: by memory while it can be believed, else by the database."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.principal import Principal
from meterr.identity.api_key import flaw_of
from meterr.identity.client import NOBODY, Client
from meterr.identity.errors import KeyRefused, KeyUnverifiable
from meterr.identity.key_memory import KeyMemory
from meterr.identity.keyring import Keyring
from meterr.identity.lookup import Found, Lookup
from meterr.identity.model import Outage, Reason, VerifiedKey
from meterr.identity.notify import Listener
from meterr.identity.snapshot import Snapshot
from meterr.identity.trust import Standing, Trust
from meterr.identity.uses import Diary

# The longest a caller waits for a verdict; then it is told to come back.
ANSWER_TIMEOUT_S: Final = 2.0
_RETRY_PAUSE_S: Final = 0.05


class Authenticator:
    """
    Decide whose key was presented. One per process; belongs to one event loop.

    ``run`` must be running for keys to be served from memory. Without it everything is still right,
    at one read per call. ``diary``, if there is one, is told of every key that counted.
    """

    def __init__(
        self,
        db_auth: Database,
        dsn: str,
        keyring: Keyring,
        clock: Clock,
        *,
        on_outage: Outage,
        diary: Diary | None = None,
    ) -> None:
        self._diary = diary
        self._keyring = keyring
        self._clock = clock
        self._snapshot = Snapshot()
        self._trust = Trust(on_outage)
        self._lookup = Lookup(db_auth, self._snapshot, clock)
        memory = KeyMemory(self._snapshot, clock)
        self._listener = Listener(dsn, memory, self._trust, clock, self._announce)
        self._news = asyncio.Event()

    @property
    def state(self) -> Standing:
        """How much this process knows about keys right now."""
        return self._trust.standing(self._clock.monotonic())

    async def run(self) -> None:
        """Keep the memory true until cancelled."""
        await self._listener.run()

    def warm(self, presented: bytes, client: Client = NOBODY) -> Principal | None:
        """
        Return the caller if memory alone can say so; None means: ask ``authenticate``.

        Does no I/O and never raises. None says nothing about the key.
        """
        if self._clock.monotonic() >= self._trust.memory_until or flaw_of(presented) is not None:
            return None
        for pepper in self._keyring.accepted:
            row = self._snapshot.get(pepper.mac(presented))
            if row is not None:
                key, now_ms = row.key, self._clock.unix_ms()
                if key.refusal(now_ms, client) is not None:
                    return None
                if self._diary is not None:
                    self._diary.note(key, now_ms)
                    if key.grace_until_ms is not None:
                        self._diary.note_caller(key, client, now_ms)
                    if pepper is self._keyring.previous:
                        self._diary.note_old_mac(key.mac, self._keyring.mac(presented))
                return key.principal
        return None

    async def authenticate(self, presented: bytes, client: Client = NOBODY) -> Principal:
        """
        Return the caller whose key is ``presented``; ``client`` is where the call came from.

        Raises:
            KeyRefused: the key does not count (401); ``reason`` says why, the public text does not.
            KeyUnverifiable: whether it counts cannot be known now (503); retry after a moment.
        """
        if not presented:
            raise KeyRefused(Reason.MISSING)
        flaw = flaw_of(presented)
        if flaw is not None:
            raise KeyRefused(Reason(flaw.value))
        macs = self._keyring.macs(presented)
        key = self._remembered(macs)
        if key is None:
            key = await self._find(macs)
        elif key.refusal(self._clock.unix_ms(), client) is not None:
            key = await self._find_again(macs, key)
        if key is None:
            raise KeyRefused(Reason.UNKNOWN)
        now_ms = self._clock.unix_ms()
        reason = key.refusal(now_ms, client)
        if reason is not None:
            principal = key.principal
            raise KeyRefused(reason, key_id=principal.key_id, tenant_id=principal.tenant_id)
        if self._diary is not None:
            self._diary.note(key, now_ms)
            if key.grace_until_ms is not None:
                self._diary.note_caller(key, client, now_ms)
            if self._keyring.previous is not None and key.mac == macs[-1]:
                self._diary.note_old_mac(key.mac, macs[0])
        return key.principal

    async def _find_again(self, macs: Sequence[bytes], refused: VerifiedKey) -> VerifiedKey | None:
        """
        Return the row of a key that memory refuses, read anew on the way of one that nobody knows.

        So how long it takes says nothing about a key. If it cannot be read, memory's word holds.
        """
        try:
            return await self._find(macs, refused)
        except KeyUnverifiable:
            return refused

    async def _find(
        self, macs: Sequence[bytes], known: VerifiedKey | None = None
    ) -> VerifiedKey | None:
        """
        Return the key's row, None when there is no such key; raise when neither is certain.

        Whatever memory has beside ``known`` is an answer, too.
        """
        give_up_at = self._clock.monotonic() + ANSWER_TIMEOUT_S
        answer: asyncio.Future[Found] | None = None
        failure = "no answer from the database in time"
        while (left_s := give_up_at - self._clock.monotonic()) > 0:
            key = self._remembered(macs)
            if key is not None and key is not known:
                return key
            self._refuse_out_of_reach()
            if answer is None:
                answer = self._lookup.ask(macs, is_stranger=known is not None)
            news = self._news
            await _first_of(answer, news, left_s)
            if not answer.done():
                continue
            try:
                return _one_of(answer.result(), macs)
            except (Unavailable, TimeoutError) as error:
                # Stale connections after a restart, or the server is going: the prober knows soon.
                failure = _private(error)
                answer = None
                await _first_of(None, news, min(left_s, _RETRY_PAUSE_S))
            except psycopg.Error as error:
                # Not an outage but our own fault (schema, grants): still no verdict about the key.
                raise KeyUnverifiable(f"{type(error).__name__}: {error}") from error
        raise KeyUnverifiable(failure)

    def _remembered(self, macs: Sequence[bytes]) -> VerifiedKey | None:
        now = self._clock.monotonic()
        standing = self._trust.standing(now)
        for mac in macs:
            row = self._snapshot.get(mac)
            if row is None:
                continue
            if standing is Standing.LIVE:
                return row.key
            if standing is Standing.ABSENT and self._trust.holds_in_absence(row.read_at):
                return row.key
        return None

    def _refuse_out_of_reach(self) -> None:
        standing = self.state
        if standing in (Standing.ABSENT, Standing.UNREACHABLE):
            raise KeyUnverifiable(f"identity is {standing.value}: {self._listener.trouble}")

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _first_of(
    answer: asyncio.Future[Found] | None, news: asyncio.Event, timeout_s: float
) -> None:
    heard = asyncio.ensure_future(news.wait())
    waiting: set[asyncio.Future[Any]] = {heard} if answer is None else {heard, answer}
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        heard.cancel()


def _one_of(found: Found, macs: Sequence[bytes]) -> VerifiedKey | None:
    return next((found[mac] for mac in macs if mac in found), None)


def _private(error: BaseException) -> str:
    return (
        error.private if isinstance(error, Unavailable) else "the database gave no answer in time"
    )
