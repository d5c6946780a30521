"""
Measure the journal: microseconds per opened and settled, and rows per second into PostgreSQL.

python bench/journal.py [--calls 200000] [--folder DIR] [--database DSN of a migrated database]
"""

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.ledger.journal import Drain, Journal, Limits
from meterr.ledger.model import Opened, Price, Rate, Settled, Usage

AT_ONCE = 64
CALL: dict[str, Any] = {
    "tenant": "01990000-0000-7000-8000-00000000000a",
    "key": "01990000-0000-7000-8000-00000000000b",
    "surface": "openai.chat",
    "upstream": "simulator",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "price": "0123456789abcdef0123456789abcdef",
    "request_bytes": 600,
}
PRICE = Price(
    CALL["price"], "openai", "gpt-4o-mini", "exact", "bench", "standard", {"input": Rate("2.5")}
)


def a_settled(call_id: str) -> Settled:
    return Settled(
        id=call_id,
        **CALL,
        answered_model="gpt-4o-mini-2024-07-18",
        status=200,
        usage=Usage(input=100, output=50, cache_read=10),
        cost="0.000123456",
        answer_bytes=800,
        first_byte_ms=20,
        duration_ms=33,
        provider_request_id="req_abc123456789",
    )


async def write(journal: Journal, ids: IdFactory, calls: int) -> None:
    """Open 64 calls, settle 64 calls, end the turn of the loop; time only the journal's part."""
    opened_s = settled_s = 0.0
    for _ in range(calls // AT_ONCE):
        opened = [Opened(id=ids.new(), **CALL) for _ in range(AT_ONCE)]
        settled = [a_settled(record.id) for record in opened]
        start = time.perf_counter()
        for record in opened:
            journal.opened(record, PRICE)
        middle = time.perf_counter()
        for entry in settled:
            journal.settled(entry, PRICE)
        await asyncio.sleep(0)
        opened_s += middle - start
        settled_s += time.perf_counter() - middle
    done = calls // AT_ONCE * AT_ONCE
    print(f"opened  {opened_s / done * 1e6:6.2f} us   settled {settled_s / done * 1e6:6.2f} us")


async def drain(root: Path, dsn: str) -> None:
    async with Database.open(dsn, Role.DRAIN) as db:
        drain = Drain(root, db, SystemClock(), tell=print)
        start, start_cpu = time.perf_counter(), time.process_time()
        rows = await drain.drain_once()
        seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        drain.close()
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"drained {rows / seconds:8.0f} rows/s, {cpu / rows * 1e6:.1f} us CPU, {rss_mib:.0f} MiB")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--folder")
    parser.add_argument("--database")
    arguments = parser.parse_args()
    ids = IdFactory(SystemClock())
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root = Path(folder)
        limits = Limits(total_bytes_max=8 << 30)
        journal = Journal.open(root, clock=SystemClock(), ids=ids, limits=limits)
        await write(journal, ids, arguments.calls)
        journal.close()
        if arguments.database:
            await drain(root, arguments.database)


if __name__ == "__main__":
    asyncio.run(main())
