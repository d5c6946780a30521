"""The bars of the issues beside what was measured. People judge figures; this only compares."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

from bench.outcome import Outcome

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    """One bar. ``passed`` is None when it was not measured: that is never a pass."""

    what: str
    bar: str
    measured: str
    passed: bool | None

    @property
    def word(self) -> str:
        return {None: NOT_MEASURED, True: "pass", False: "FALLS SHORT"}[self.passed]


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Return every bar, measured or not."""
    return [
        *_throughput(outcome),
        *_many(outcome),
        *_latency(outcome),
        *_lasting(outcome),
        *_keys(outcome),
        *_history(outcome),
        *_guard(outcome),
        *_question(outcome),
    ]


def _ratio(
    what: str,
    bar: str,
    found: list[float],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    digits: int = 3,
) -> Verdict:
    """Judge the median of ``found``, one value per round, and show their spread."""
    if not found:
        return Verdict(what, bar, NOT_MEASURED, None)
    middle = median(found)
    text = f"{middle:.{digits}f} ({min(found):.{digits}f} to {max(found):.{digits}f})"
    return Verdict(what, bar, text, least <= middle <= most)


def _throughput(outcome: Outcome) -> Iterator[Verdict]:
    for other, bar, least in (
        ("nginx", ">= 0.18, aim 0.25", 0.18),
        ("litellm", ">= 130", 130),
        ("portkey", ">= 15", 15),
    ):
        found = outcome.pairs("throughput", "meterr", other)
        yield _ratio(f"throughput at 64 connections over {other}", bar, found, least=least)
    for name, held in (("budget", "a hard budget"), ("limits", "a budget and both rates")):
        found = outcome.pairs("limited", name, "meterr")
        yield _ratio(f"throughput under {held} over none", ">= 0.90", found, least=0.90)
    sse = outcome.pairs("sse", "meterr", "nginx")
    yield _ratio("SSE of 50 chunks over nginx", ">= 0.9, aim 1.2", sse, least=0.9)


def _many(outcome: Outcome) -> Iterator[Verdict]:
    found = outcome.pairs("connections", "meterr", "nginx")
    what = "1,000 connections, answers after 20 ms, over nginx, no error"
    yield _ratio(what, ">= 0.20", found, least=0.20)
    paced = outcome.pairs("paced", "meterr", "nginx", "p99_us")
    yield _ratio("500 paced streams/s: p99 over nginx's", "<= 1.05", paced, most=1.05)


def _latency(outcome: Outcome) -> Iterator[Verdict]:
    for what, bar, most in (("p50_us", "<= 0.6 ms", 0.6), ("p99_us", "<= 2 ms", 2.0)):
        found = [us / 1000 for us in outcome.added_us("meterr", what)]
        name = f"added {what[:3]} over direct at 100 requests/s, ms"
        yield _ratio(name, bar, found, most=most, digits=2)


def _lasting(outcome: Outcome) -> Iterator[Verdict]:
    ready, memory = outcome.readiness, outcome.memory
    yield _one(
        "gateway ready, database running", "<= 1.5 s", ready.gateway_s if ready else None, "s", 1.5
    )
    yield _one(
        "RSS after 100k calls", "<= 100 MB", memory.after_first if memory else None, "MB", 100
    )
    yield _one("growth over the next 100k", "<= 5 MB", memory.growth if memory else None, "MB", 5)
    late = outcome.revocation.p99_ms if outcome.revocation else None
    what = "revoked: the last of 4 processes refuses, p99 of 300"
    yield _one(what, "<= 250 ms", late, "ms", 250)
    late = outcome.revocation.sessions_p99_ms if outcome.revocation else None
    what = "signed out: the last of 4 processes refuses, p99 of 100"
    yield _one(what, "<= 250 ms", late, "ms", 250)
    drain, keeping = outcome.drain, outcome.keeping_up
    what, bar = "drain into PostgreSQL", ">= 20,000 entries/s"
    if drain is None:
        yield Verdict(what, bar, NOT_MEASURED, None)
    else:
        yield Verdict(what, bar, f"{drain.per_s:,.0f}/s", drain.per_s >= 20_000)
    what, bar = "drain at full load on 2 cores", "keeps up"
    if keeping is None:
        yield Verdict(what, bar, NOT_MEASURED, None)
        return
    text = (
        f"{keeping.rps:,.0f} calls/s; {keeping.behind_half:,} behind half-way, "
        f"{keeping.behind_end:,} at the end; all in {keeping.caught_up_s:.1f} s later"
    )
    # Behind by less than two seconds of load, and not growing: that is a delay, not a backlog.
    grows = keeping.behind_end > 1.5 * keeping.behind_half + keeping.rps / 2
    yield Verdict(what, bar, text, keeping.behind_end < 2 * keeping.rps and not grows)


def _keys(outcome: Outcome) -> Iterator[Verdict]:
    found, struck = outcome.keys, outcome.emergency
    yield _one("warm key verified, p50", "<= 10 us", found.warm_us if found else None, "us", 10)
    what, bar = "warm keys verified on one core", ">= 50,000/s"
    if found is None:
        yield Verdict(what, bar, NOT_MEASURED, None)
    else:
        yield Verdict(what, bar, f"{found.warm_per_s:,.0f}/s", found.warm_per_s >= 50_000)
    what, bar = "malformed or mutated keys of 10^6 that reach the database", "0"
    passed = None if found is None else found.malformed_passed
    yield _one(what, bar, passed, "", 0)
    what = "100,000 keys revoked at once, committed"
    yield _one(what, "<= 2 s", struck.revoked_s if struck else None, "s", 2)
    yield _one(
        "of a sample accepted by 4 processes after", "0", struck.accepted if struck else None, "", 0
    )
    lost = struck.sample - struck.collected if struck else None
    yield _one("successors of the sample that nobody could collect", "0", lost, "", 0)
    tried = outcome.sign_in
    what, bar = "refused sign-in: wrong password over unknown account", "0.95 to 1.05"
    yield _ratio(what, bar, tried.ratios if tried else [], least=0.95, most=1.05)


def _one(what: str, bar: str, value: float | None, unit: str, most: float) -> Verdict:
    if value is None:
        return Verdict(what, bar, NOT_MEASURED, None)
    return Verdict(what, bar, f"{value:.2f} {unit}", value <= most)


def _history(outcome: Outcome) -> Iterator[Verdict]:
    found = outcome.history
    rows = f"{found.rows / 1e6:g} million" if found else "10 million"
    for what, bar, value, most in (
        (f"`usage --by model,key --from 30d` of {rows} entries, p95", "< 300 ms",
         found.usage_p95_ms if found else None, 300),
        (f"dropping a day of {rows} entries", "< 200 ms", found.drop_ms if found else None, 200),
    ):  # fmt: skip
        verdict = _one(what, bar, value, "ms", most)
        # A smaller ledger than the bar names shows nothing.
        enough = found is not None and found.rows >= 10_000_000
        yield verdict if enough or found is None else replace(verdict, passed=None)


def _guard(outcome: Outcome) -> Iterator[Verdict]:
    found = outcome.guard
    number = f"{found.questions} questions" if found else "300 questions"
    p50, p99 = (found.p50_us, found.p99_us / 1000) if found else (None, None)
    yield _one(f"guard over {number}, p50", "<= 150 us", p50, "us", 150)
    yield _one(f"guard over {number}, p99", "<= 2 ms", p99, "ms", 2)


def _question(outcome: Outcome) -> Iterator[Verdict]:
    found = outcome.question
    rows = f"{found.rows:,}" if found else "1,000,000"
    what = f"question with ready SQL over {rows} entries of 20 tenants, added p50"
    verdict = _one(what, "<= 15 ms", found.added_p50_ms if found else None, "ms", 15)
    enough = found is not None and found.rows >= 1_000_000
    yield verdict if enough or found is None else replace(verdict, passed=None)
