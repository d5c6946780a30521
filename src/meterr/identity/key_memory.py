"""What a listener does for keys: notices forget rows, and rows that were known are read again."""

from itertools import islice
from typing import Final

import msgspec

from meterr.core.clock import Clock
from meterr.core.db import Connection
from meterr.identity import store
from meterr.identity.deadline import within
from meterr.identity.notify import ANSWER_TIMEOUT_S, NoticeUnreadable
from meterr.identity.snapshot import Notice, Snapshot

REREAD_MACS: Final = 2_000


class _Payload(msgspec.Struct):
    version: int
    mac: str | None = None
    tenant_id: str | None = None


class KeyMemory:
    """The snapshot of keys, fed by a listener."""

    def __init__(self, snapshot: Snapshot, clock: Clock) -> None:
        self._snapshot = snapshot
        self._clock = clock
        self._payloads = msgspec.json.Decoder(_Payload)
        self._stale: list[bytes] = []

    def hear(self, payload: str) -> None:
        """Forget the key, or all keys of the tenant, that a notice is about."""
        self._stale += self._snapshot.notice(self._notice_in(payload))

    def start_generation(self) -> None:
        """Begin anew: all keys are to be read again."""
        self._stale = self._snapshot.start_generation()

    async def catch_up(self, connection: Connection) -> None:
        """Read stale keys into the memory."""
        waiting = iter(self._stale)
        self._stale = []
        while batch := list(islice(waiting, REREAD_MACS)):
            read = self._snapshot.begin_read(self._clock.monotonic())
            try:
                keys = await within(ANSWER_TIMEOUT_S, store.read_keys(connection, batch))
            # Cancelled or failed, the read is over and must not be waited for.
            except BaseException:
                self._snapshot.abandon_read(read)
                raise
            self._snapshot.finish_read(read, keys, batch)

    def _notice_in(self, payload: str) -> Notice:
        try:
            told = self._payloads.decode(payload)
            mac = None if told.mac is None else bytes.fromhex(told.mac)
        except ValueError as error:
            raise NoticeUnreadable(payload) from error
        if mac is None and told.tenant_id is None:
            raise NoticeUnreadable(payload)
        return Notice(version=told.version, mac=mac, tenant_id=told.tenant_id)
