"""What each caller of our API may still send; counted in PostgreSQL, so for all processes alike."""

from collections.abc import Callable, Mapping

from meterr.core.api import store
from meterr.core.api.allowance import REQUESTS, WINDOW_S, Allowance
from meterr.core.api.caller import Caller
from meterr.core.api.operation import Operation
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.http.client_address import network_of


class Allowances:
    """
    Counts requests by person or API key; of strangers, by network and group of operations.

    A window begins with its caller's first request. Over the end of one and the begin of the next,
    up to twice the quota can come within a minute.

    Args:
        db: The database as ``Role.IDENTITY``.
        clock: Unix time; hosts must agree to a few seconds.
        mac: A keyed digest of 32 bytes, the same in every process: addresses are not stored.
        quota: Requests a minute.
        unit: What is counted; each unit has windows of its own.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        mac: Callable[[bytes], bytes],
        quota: int,
        unit: str = REQUESTS,
    ) -> None:
        self._db = db
        self._clock = clock
        self._mac = mac
        self._quota = quota
        self._unit = unit

    async def take(self, caller: Caller) -> Allowance:
        """Count one request and return what its window holds. Raises Unavailable."""
        now_ms, window_ms = self._clock.unix_ms(), WINDOW_S * 1000
        async with self._db.transaction() as connection:
            held = await store.count_request(
                connection, self._mac(_key(self._unit, caller)), self._quota, window_ms, now_ms
            )
            if held.requests == 1:
                await store.prune(connection, now_ms)
        left_ms = held.began_ms + window_ms - now_ms
        return Allowance(self._quota, held.requests, left_ms, self._unit)


class Quotas:
    """The allowances of all units: each operation counts as one of its own."""

    def __init__(self, by_unit: Mapping[str, Allowances]) -> None:
        self._by_unit = by_unit

    async def take(self, caller: Caller, operation: Operation) -> Allowance:
        """Count one call of ``operation``. Raises Unavailable."""
        return await self._by_unit[operation.counted_as].take(caller)


def _key(unit: str, caller: Caller) -> bytes:
    if caller.actor is not None:
        return f"meterr {unit} person\0{caller.actor.user_id}".encode()
    if caller.principal is not None:
        return f"meterr {unit} key\0{caller.principal.key_id}".encode()
    return f"meterr {unit} network\0{network_of(caller.address)}\0{caller.group}".encode()
