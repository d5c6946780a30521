"""One process over time: how soon it serves, how much memory it holds."""

from dataclasses import dataclass
from statistics import median

from bench.measure import Bench, measure, say
from bench.tools import Traffic

CALLS = 100_000


@dataclass(frozen=True)
class Readiness:
    """Seconds until a gateway process serves, and until all of a warm `meterr up` does."""

    gateway_s: float
    gateway_worst_s: float
    warm_up_s: float


@dataclass(frozen=True)
class Memory:
    """Resident MB of the gateway process after CALLS calls, and after as many again."""

    after_first: float
    after_second: float

    @property
    def growth(self) -> float:
        return self.after_second - self.after_first


def readiness(bench: Bench, *, rounds: int) -> Readiness:
    """Kill the gateway several times, then stop and start everything."""
    starts = [bench.meterr.restart_gateway().ready_s for _ in range(rounds)]
    bench.meterr.stop()
    warm_up_s = bench.meterr.start()
    say(f"ready        {', '.join(f'{s:.2f}' for s in starts)} s; meterr up {warm_up_s:.2f} s")
    return Readiness(median(starts), max(starts), warm_up_s)


def memory(bench: Bench) -> Memory:
    """Start a fresh gateway process and give it CALLS calls twice."""
    bench.meterr.restart_gateway()
    traffic = Traffic(bench.body(stream=False), 64, 3600, 0, limit=CALLS)
    found = [measure(bench, bench.meterr.contender(), traffic).rss_mb for _ in range(2)]
    say(f"memory       {found[0]:.1f} MB after {CALLS:,} calls, {found[1]:.1f} MB after the next")
    return Memory(found[0], found[1])
