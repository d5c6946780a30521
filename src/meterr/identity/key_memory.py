"""What a listener does for keys: notices forget rows, and rows that were known are read again."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from meterr.core.clock import Clock
from meterr.core.db import Connection
from meterr.identity import store
from meterr.identity.bucket import Bucket
from meterr.identity.deadline import within
from meterr.identity.notify import ANSWER_TIMEOUT_S, VERSION_MAX
from meterr.identity.snapshot import Notice, Snapshot

REREAD_MACS: Final = 2_000
# Rows that notices may have read ahead of their use; the rest is read when somebody calls with it.
AHEAD_PER_S: Final = 5_000
AHEAD_BURST: Final = 20_000


class _Payload(msgspec.Struct):
    """What of a notice matters here; notices of people and sessions come by, too."""

    version: Annotated[int, msgspec.Meta(ge=0, le=VERSION_MAX)]
    mac: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    tenant_id: str | None = None


class KeyMemory:
    """The snapshot of keys, fed by a listener."""

    def __init__(self, snapshot: Snapshot, clock: Clock, ahead: Bucket | None = None) -> None:
        self._snapshot = snapshot
        self._clock = clock
        self._payloads = msgspec.json.Decoder(_Payload)
        self._ahead = ahead or Bucket(AHEAD_PER_S, AHEAD_BURST)
        self._uncertain: list[bytes] = []
        self._forgotten: list[bytes] = []

    def hear(self, payload: str) -> bool:
        """Forget the key, or all keys of the tenant, that a notice is about."""
        try:
            told = self._payloads.decode(payload)
        except ValueError:
            return False
        if told.mac is None and told.tenant_id is None:
            return False
        mac = None if told.mac is None else bytes.fromhex(told.mac)
        notice = Notice(version=told.version, mac=mac, tenant_id=told.tenant_id)
        self._forgotten += self._snapshot.notice(notice)
        return True

    def start_generation(self) -> None:
        """Begin anew: all keys are to be read again, however many that are."""
        self._uncertain = self._snapshot.start_generation()
        self._forgotten = []

    async def catch_up(self, connection: Connection) -> None:
        """Read again what is uncertain, and of what was forgotten as much as is allowed."""
        allowed = self._ahead.take(len(self._forgotten), self._clock.monotonic())
        waiting = self._uncertain + self._forgotten[:allowed]
        self._uncertain, self._forgotten = [], []
        for begin in range(0, len(waiting), REREAD_MACS):
            await self._read(connection, waiting[begin : begin + REREAD_MACS])

    async def _read(self, connection: Connection, batch: Sequence[bytes]) -> None:
        read = self._snapshot.begin_read(self._clock.monotonic())
        try:
            keys = await within(ANSWER_TIMEOUT_S, store.read_keys(connection, batch))
        # Cancelled or failed, the read is over and must not be waited for.
        except BaseException:
            self._snapshot.abandon_read(read)
            raise
        self._snapshot.finish_read(read, keys, batch)
