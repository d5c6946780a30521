"""The limiter of one process: reserves before a call, settles after it, from leases in memory."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import psycopg

from meterr.core.clock import Clock, as_datetime
from meterr.core.db import Database
from meterr.core.errors import Invalid, Unavailable
from meterr.core.limits import Limit, Measure
from meterr.core.principal import Principal
from meterr.ledger.limits.account import FOREVER_MS, Account, Part
from meterr.ledger.limits.errors import LimitsUnknown
from meterr.ledger.limits.lender import Lender, unknown
from meterr.ledger.limits.model import Ask, OnOutage, usd_units
from meterr.ledger.limits.refusal import refusal, unbounded
from meterr.ledger.limits.reservation import Reservation
from meterr.ledger.limits.store import ProcessClosed
from meterr.ledger.limits.window import window_at

_TICK_S: Final = 1.0
_RENEW_TICKS: Final = 8
_PRUNE_TICKS: Final = 6 * 3600
_LOOKS_AT_ONCE: Final = 256
_CLOSE_S: Final = 5.0
_CLAIMS_MAX: Final = 4096
# Calls that began before their window ended may still ask; after this, that window is forgotten.
_WINDOW_KEPT_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class _Claim:
    """
    The accounts that serve some limits at present, those that are in force.

    True for ``zone`` and calls from ``starts_ms`` up to ``ends_ms``, in this ``edition``.
    """

    limits: Sequence[Limit]
    accounts: tuple[Account, ...]
    zone: str
    starts_ms: int
    ends_ms: int
    edition: int


class Limiter:
    """
    Hold the calls of one process to their limits, exactly, together with all other processes.

    ``process`` is the name of its journal folder, under which a dead process's budgets come back.
    Belongs to one event loop. With the database away it lives on what it holds and then refuses:
    ``on_outage`` says so where it is built.
    """

    def __init__(self, db: Database, process: str, clock: Clock, *, on_outage: OnOutage) -> None:
        self.on_outage = on_outage
        self._clock = clock
        self._lender = Lender(db, process, clock)
        self._present: dict[str, Account] = {}  # by limit: the window that was used last
        self._windows: dict[tuple[str, int], Account] = {}  # by limit and start
        self._edition = 0  # counts changes of ``_present`` and of the rules there
        self._claims: dict[int, _Claim] = {}  # by the identity of their limits
        self._forgotten_ms = 0  # windows that ended before are no longer known

    def reserve_now(
        self, principal: Principal, limits: Sequence[Limit], ask: Ask, at_unix_ms: int
    ) -> Reservation | None:
        """
        Reserve from what is ready in memory; None when ``reserve`` must be awaited.

        ``limits`` are those that hold for this call: the caller matches models and adds upstreams.
        It never changes them, and brings the same object for calls of the same kind: that is quick.
        """
        claim = self._claims.get(id(limits))
        if (
            claim is None
            or claim.limits is not limits
            or claim.edition != self._edition
            or not claim.starts_ms <= at_unix_ms < claim.ends_ms
            or claim.zone != principal.time_zone
        ):
            claim = self._claimed(principal, limits, at_unix_ms)
            if claim is None:
                return None
        now = self._clock.monotonic()
        parts: list[Part] = []
        for account in claim.accounts:
            need = ask[account.place]
            part = None if need is None or need > account.amount else account.take(need, now)
            if part is None:
                if not account.in_force:
                    self._edition += 1  # from now on, claims leave it out
                self._undo(parts)
                return None
            parts.append(part)
        return Reservation(parts, self._clock)

    async def reserve(
        self, principal: Principal, limits: Sequence[Limit], ask: Ask, at_unix_ms: int
    ) -> Reservation:
        """
        Reserve, asking the database where memory cannot say; of all limits or of none.

        Raises:
            LimitReached: One of its kinds; nothing stays taken.
            LimitsUnknown: The database is away, and what this process holds does not suffice.
        """
        reservation = Reservation([], self._clock)
        try:
            for limit in limits:
                account = self._account(limit, principal, at_unix_ms)
                part = await self._draw(account, limit, ask)
                if part is not None:
                    reservation.parts.append(part)
        # Whatever ended it, a cancellation too: the call does not leave, so nothing may stay taken.
        except BaseException:
            self.release(reservation)
            raise
        return reservation

    def leave(self, reservation: Reservation) -> None:
        """Say that the call leaves now: the time of what it takes of rates begins here."""
        now = self._clock.monotonic()
        for place, (account, amount, cooling) in enumerate(reservation.parts):
            if cooling is not None:
                cools = account.lease.leave(amount, cooling, now)
                if cools is not cooling:
                    reservation.parts[place] = account, amount, cools
                    if account.is_unsettled:
                        self._lender.settle_soon(account)

    def settle(self, reservation: Reservation, usd: Decimal, tokens: int) -> None:
        """
        End a call that draws ``usd`` and used ``tokens``; the rest of both is free again.

        A second word on the same reservation changes nothing.
        """
        if reservation.ended:
            return
        reservation.ended = True
        used = usd_units(usd), tokens, 1  # in the order of PLACE
        for account, amount, cooling in reservation.parts:
            took = used[account.place]
            if took != amount or cooling is None:
                account.lease.settle(amount, took, cooling)
            if account.is_unsettled:
                self._lender.settle_soon(account)

    def release(self, reservation: Reservation) -> None:
        """End a call that never left: everything comes back, the request itself too."""
        if reservation.ended:
            return
        reservation.ended = True
        self._undo(reservation.parts)

    async def run(self) -> None:
        """
        Renew leases and return what is not needed, until cancelled; then give everything back.

        What runs or cools at that moment comes back by its expiry; budgets come back once the
        journal has been read.
        """
        ticks = 0
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                ticks += 1
                if ticks % _RENEW_TICKS == 0:
                    await self.renew()
                await self.look_around()
                if ticks % _PRUNE_TICKS == 1:
                    with suppress(Unavailable, psycopg.Error):  # the next round, or another process
                        await self._lender.prune()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._close()

    async def look_around(self) -> None:
        """Give back what nobody used since the last look; of tight windows, all that is ready."""
        now, now_ms = self._clock.monotonic(), self._clock.unix_ms()
        for number, account in enumerate(list(self._windows.values())):
            if number % _LOOKS_AT_ONCE == 0:
                await asyncio.sleep(0)  # calls come first
            account.lease.thaw(now)
            if account.tick():
                await self._lender.room()
                self._lender.settle_now(account)
            elif account.ends_ms + _WINDOW_KEPT_MS < now_ms and account.lease.is_empty:
                self._forget(account)

    @property
    def closed(self) -> bool:
        """Whether this process was given up: until it starts anew, hard limits refuse with 503."""
        return self._lender.closed

    @property
    def exchanges(self) -> int:
        """How many exchanges with the database were begun."""
        return self._lender.begun

    async def settled(self) -> None:
        """Wait until no exchange with the database is under way."""
        await self._lender.finish()

    async def _draw(self, account: Account, limit: Limit, ask: Ask) -> Part | None:
        """Take what one limit must give; None when it holds nobody: ended, or soft and unknown."""
        need = _need(limit, ask)
        if need is None:
            raise unbounded(account, self._clock.monotonic(), self._clock.unix_ms())
        seen = account.begun
        account.needs.append(need)
        try:
            while account.in_force:
                now = self._clock.monotonic()
                part = account.take(need, now)
                if part is None and not limit.hard:
                    part = account.draw(need, now)
                if part is not None:
                    if account.lease.ready < 0:
                        self._lender.settle_soon(account)
                    return part
                # Only an exchange that knew of this call may refuse it.
                if account.answered > seen and account.remaining < need:
                    raise refusal(account, need, now, self._clock.unix_ms())
                await self._lender.answer(account)
        except LimitsUnknown:
            if limit.hard:
                raise
        finally:
            account.needs.remove(need)
        return None

    def _account(self, limit: Limit, principal: Principal, at_unix_ms: int) -> Account:
        """Return the account of the window that holds this time, under the rule as it is now."""
        zone = principal.time_zone
        try:
            window = window_at(limit.span, zone, as_datetime(at_unix_ms))
        except Invalid as error:  # the tenant's zone, not the caller's request
            raise unknown(f"{zone}: {error.detail}") from error
        fresh = Account(limit, principal.tenant_id, zone, window)
        if fresh.ends_ms < self._forgotten_ms:
            raise unknown(f"a window that ended at {fresh.ends_ms} was asked for")
        account = self._windows.setdefault((limit.limit_id, fresh.starts_ms), fresh)
        known = self._present.get(limit.limit_id)
        if known is not account or not account.serves(limit, zone, at_unix_ms):
            account.adopt(limit, zone, window)
            self._present[limit.limit_id] = account
            self._edition += 1
        return account

    def _claimed(
        self, principal: Principal, limits: Sequence[Limit], at_unix_ms: int
    ) -> _Claim | None:
        """Return which accounts serve ``limits`` at that time; None when not all are known."""
        found: list[Account] = []
        for limit in limits:
            account = self._present.get(limit.limit_id)
            if account is None or not account.serves(limit, principal.time_zone, at_unix_ms):
                return None
            if account.in_force:
                found.append(account)
        if len(self._claims) >= _CLAIMS_MAX:
            self._claims.clear()
        claim = _Claim(
            limits,
            tuple(found),
            zone=principal.time_zone,
            starts_ms=max((account.starts_ms for account in found), default=0),
            ends_ms=min((account.ends_ms for account in found), default=FOREVER_MS),
            edition=self._edition,
        )
        self._claims[id(limits)] = claim
        return claim

    def _undo(self, parts: Sequence[Part]) -> None:
        for account, amount, cooling in parts:
            account.lease.settle(amount, 0, cooling)
            if account.is_unsettled:
                self._lender.settle_soon(account)

    def _forget(self, account: Account) -> None:
        del self._windows[account.limit.limit_id, account.starts_ms]
        if self._present.get(account.limit.limit_id) is account:
            del self._present[account.limit.limit_id]
            self._edition += 1
        self._forgotten_ms = max(self._forgotten_ms, account.ends_ms + 1)

    async def renew(self) -> None:
        """Show a sign of life and renew what expires; learn which of it is still ours."""
        if not self._windows:
            return
        try:
            leases, asked_at = await self._lender.renew()
        except (Unavailable, psycopg.Error):
            return  # then they expire, and calls are refused
        except ProcessClosed:
            for account in self._windows.values():
                account.lapse()
            return
        for account in self._windows.values():
            account.renewed(leases, asked_at)

    async def _close(self) -> None:
        await self._lender.finish()
        for account in self._windows.values():
            account.lease.thaw(self._clock.monotonic())
            if account.lease.ready != 0 or account.is_unheard:
                account.parting = True
                self._lender.settle_now(account)
        await self._lender.finish()


def _need(limit: Limit, ask: Ask) -> int | None:
    """Return the units a call needs of a limit; None when nobody can say."""
    measure = limit.measure
    if measure is Measure.USD:
        return 0 if ask.usd is None and not limit.hard else ask.usd
    if measure is Measure.TOKENS:
        # A bound above the whole rate takes the whole minute; what the call used is settled.
        return min(ask.tokens, int(limit.amount)) or ask.tokens
    return ask.calls
