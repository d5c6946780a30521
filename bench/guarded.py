"""What the guard costs a question: every honest one of tests/query, one after another."""

import gc
import time
from dataclasses import dataclass
from statistics import median

from tests.query.benign_questions import demo_catalogue, statements

from bench.measure import say
from bench.tools import BenchError
from meterr.query import GuardedQuery, guard
from meterr.query.catalogue import Catalogue

_ROUNDS = 25
_WARMING = 3


@dataclass(frozen=True)
class GuardCost:
    """Over all questions, each by the median of its rounds, refusals not among them."""

    questions: int
    p50_us: float
    p99_us: float
    worst_us: float


def guard_cost() -> GuardCost:
    """Measure; needs no server. Raises ``BenchError`` when a question is refused."""
    catalogue = demo_catalogue()
    found = []
    for name, sql in statements("benign"):
        if not isinstance(guard(sql, catalogue), GuardedQuery):
            raise BenchError(f"the guard refused {name}")
        times = [_once(sql, catalogue) for _ in range(_WARMING + _ROUNDS)][_WARMING:]
        found.append(median(times))
    found.sort()
    cost = GuardCost(len(found), median(found), found[len(found) * 99 // 100], found[-1])
    say(f"guard        {cost.questions} questions: p50 {cost.p50_us:.0f} us, p99 {cost.p99_us:.0f}")
    return cost


def _once(sql: str, catalogue: Catalogue) -> float:
    gc.disable()
    try:
        started = time.perf_counter()
        guard(sql, catalogue)
        return (time.perf_counter() - started) * 1e6
    finally:
        gc.enable()
