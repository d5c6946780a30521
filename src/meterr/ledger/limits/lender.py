"""Exchanges with the windows: one at a time per lease, shared by whoever waits for it."""

import asyncio
from typing import Final

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.ledger.limits import store
from meterr.ledger.limits.account import Account
from meterr.ledger.limits.errors import LimitsUnknown

_ANSWER_S: Final = 2.0  # what a call waits for one answer
_GATHER_S: Final = 0.02  # what several calls give back goes in one exchange
_AT_LEISURE: Final = 2
RETRY_AFTER_S: Final = 2


class Lender:
    """
    Moves leases. ``db`` acts as Role.APP.

    An exchange goes on when those who wait for it give up, so that its answer is not lost.
    """

    def __init__(self, db: Database, process: str, clock: Clock) -> None:
        self.begun = 0
        self.closed = False  # this process was given up: for good
        self._db = db
        self._process = process
        self._clock = clock
        self._flights: set[asyncio.Task[Exception | None]] = set()

    async def answer(self, account: Account) -> None:
        """Wait for the exchange that is under way, or for a new one. Raises LimitsUnknown."""
        flight = account.flight
        if flight is None:
            flight = account.flight = self._begin(account)
        try:
            async with asyncio.timeout(_ANSWER_S):
                failure = await asyncio.shield(flight)
        except TimeoutError as error:
            failure = error
        if failure is not None:
            private = getattr(failure, "private", "") or f"{type(failure).__name__}: {failure}"
            raise unknown(private) from failure

    def settle_soon(self, account: Account) -> None:
        """Tell the window before long what is owed or not needed; together with what follows."""
        if account.planned is None:
            loop = asyncio.get_running_loop()
            account.planned = loop.call_later(_GATHER_S, self._settle, account)

    def settle_now(self, account: Account) -> None:
        """Tell the window what is owed or not needed, unless an exchange is under way."""
        if account.flight is None:
            account.flight = self._begin(account)

    async def renew(self) -> tuple[set[int], float]:
        """
        Show a sign of life; return which leases of rates and concurrency hold, and since when.

        Raises ProcessClosed.
        """
        asked_at = self._clock.monotonic()
        try:
            async with self._db.session() as conn:
                return await store.renew_leases(conn, self._process), asked_at
        except store.ProcessClosed:
            self.closed = True
            raise

    async def prune(self) -> int:
        """Remove windows that ended long ago; return how many."""
        async with self._db.session() as conn:
            return await store.prune_limits(conn)

    async def room(self) -> None:
        """Wait until few exchanges are under way: what can wait leaves the sessions to calls."""
        while len(self._flights) >= _AT_LEISURE:
            await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)

    async def finish(self) -> None:
        """Wait until no exchange is under way."""
        while self._flights:
            await asyncio.wait(self._flights)

    def _settle(self, account: Account) -> None:
        account.planned = None
        if account.flight is not None:
            self.settle_soon(account)
        elif account.is_unsettled:
            account.flight = self._begin(account)

    def _begin(self, account: Account) -> asyncio.Task[Exception | None]:
        flight = asyncio.get_running_loop().create_task(self._exchange(account))
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)
        return flight

    async def _exchange(self, account: Account) -> Exception | None:
        """Exchange once; return what went wrong, for those who wait: nobody may be waiting."""
        try:
            async with self._db.session() as conn:
                # Only here, with a connection: what is given back cannot be taken again.
                asked_at = self._clock.monotonic()
                wish = account.wish(self._process, asked_at)
                self.begun += 1
                number = account.begun
                lent = await store.exchange_lease(conn, wish)
            account.learn(lent, number, asked_at)
        except store.ProcessClosed as error:
            self.closed = True
            account.lapse()
            return error
        except (Unavailable, psycopg.Error) as error:
            return error
        finally:
            account.flight = None
        return None


def unknown(private: str) -> LimitsUnknown:
    """Return the error of a call whose limits cannot be checked."""
    return LimitsUnknown(
        "The limits of this key cannot be checked right now; retry shortly.",
        private=private,
        retry_after_s=RETRY_AFTER_S,
    )
