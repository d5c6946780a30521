"""Single steps of the hot path, alone in this process: microseconds each, beside their budgets."""

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.journal import CALL, PRICE, a_settled
from bench.measure import Bench, say
from bench.tools import BenchError
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.gateway.metering import StreamMeter, read_answer, read_request
from meterr.identity import Authenticator, Keyring, Outage
from meterr.ledger import Journal, PriceBook, Pricer
from meterr.ledger.model import Opened, Usage

ROUNDS = 7
_ROUND_S = 0.15
_AT_ONCE = 64
_WARM_TIMES = 5_000
_WARM_BUDGET_US = 10
_EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,'
    b'"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":" goose"},'
    b'"finish_reason":null}]}\n\n'
)
_LAST = b"data: [DONE]\n\n"
_ANSWER = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"gpt-4o-mini",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":120,"completion_tokens":40,"total_tokens":160,'
    b'"prompt_tokens_details":{"cached_tokens":20}}}' % (b"seventeen grey geese " * 12)
)


@dataclass(frozen=True)
class Step:
    """One measured step. ``budget_us`` is None where the design names none."""

    name: str
    us: float
    best_us: float
    budget_us: float | None = None


def timed(name: str, step: Callable[[], object], budget_us: float | None = None) -> Step:
    """Return the median and the best of ROUNDS rounds; the collector stays off, as in timeit."""
    times = 1
    while _seconds(step, times) < _ROUND_S / 4:
        times *= 2
    times = max(1, times * 4)
    found = [_seconds(step, times) / times * 1e6 for _ in range(ROUNDS)]
    return Step(name, median(found), min(found), budget_us)


def _seconds(step: Callable[[], object], times: int) -> float:
    gc.disable()
    try:
        started = time.perf_counter()
        for _ in range(times):
            step()
        return time.perf_counter() - started
    finally:
        gc.enable()


def micro(bench: Bench) -> list[Step]:
    """Measure every step."""
    steps = asyncio.run(_warm_key(bench))
    steps += _pure(bench)
    steps += asyncio.run(_journal())
    for step in steps:
        budget = f"budget {step.budget_us:g}" if step.budget_us else ""
        say(f"micro        {step.name:<34}{step.us:8.2f} us (best {step.best_us:.2f})  {budget}")
    return steps


async def _warm_key(bench: Bench) -> list[Step]:
    key = bench.meterr.key.encode()
    keyring = Keyring.open(bench.meterr.data_dir / "pepper")
    async with Database.open(bench.meterr.dsn, Role.AUTH) as db:
        authenticator = Authenticator(
            db, bench.meterr.dsn, keyring, SystemClock(), on_outage=Outage.SERVE_WARM
        )
        listening = asyncio.create_task(authenticator.run())
        while authenticator.warm(key) is None:
            await authenticator.authenticate(key)
            await asyncio.sleep(0.01)
        step = await _timed_warm(authenticator, key)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return [step]


async def _timed_warm(authenticator: Authenticator, key: bytes) -> Step:
    """Time in short rounds: memory is trusted only while its heartbeat gets its turns."""
    found = []
    for _ in range(ROUNDS):
        await asyncio.sleep(0.1)
        found.append(_seconds(partial(authenticator.warm, key), _WARM_TIMES) / _WARM_TIMES * 1e6)
        if authenticator.warm(key) is None:
            raise BenchError("the key went cold while it was being measured")
    return Step("warm key check", median(found), min(found), _WARM_BUDGET_US)


def _pure(bench: Bench) -> list[Step]:
    whole, stream = bench.body(stream=False).read_bytes(), bench.body(stream=True).read_bytes()
    book = PriceBook.bundled()
    now = SystemClock().unix_ms()
    price = book.resolve("openai", "gpt-4o-mini", "standard", now)
    if price is None:
        raise LookupError("the bundled prices have no gpt-4o-mini")
    usage = Usage(input=100, cache_read=20, output=40)
    ids = IdFactory(SystemClock())
    return [
        timed("new call id", ids.new),
        timed("read_request, 600 bytes", partial(read_request, "openai.chat", whole)),
        timed("read_request, stream", partial(read_request, "openai.chat", stream)),
        timed("PriceBook.resolve", partial(book.resolve, "openai", "gpt-4o-mini", "standard", now)),
        timed("Pricer.cost", partial(Pricer(price).cost, usage)),
        timed("read_answer, 600 bytes", partial(read_answer, "openai.chat", _ANSWER)),
        timed("stream of 50 events", partial(_stream, strip=False)),
        timed("stream of 50 events, usage stripped", partial(_stream, strip=True)),
    ]


def _stream(*, strip: bool) -> None:
    meter = StreamMeter("openai.chat", strip_usage_chunk=strip)
    for _ in range(50):
        meter.feed(_EVENT)
    meter.feed(_LAST)
    meter.finish()


async def _journal() -> list[Step]:
    """Open 64 calls, settle 64 calls, end the turn of the loop: as a busy gateway does."""
    clock = SystemClock()
    ids = IdFactory(clock)
    opened_us, settled_us = [], []
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder), clock=clock, ids=ids)
        for _ in range(200):
            calls = [Opened(id=ids.new(), **CALL) for _ in range(_AT_ONCE)]
            ends = [a_settled(call.id) for call in calls]
            started = time.perf_counter()
            for call in calls:
                journal.opened(call, PRICE)
            middle = time.perf_counter()
            for end in ends:
                journal.settled(end, PRICE)
            await asyncio.sleep(0)
            opened_us.append((middle - started) / _AT_ONCE * 1e6)
            settled_us.append((time.perf_counter() - middle) / _AT_ONCE * 1e6)
        journal.close()
    os.sync()
    return [
        Step("journal: opened", median(opened_us), min(opened_us)),
        Step("journal: settled", median(settled_us), min(settled_us)),
    ]
