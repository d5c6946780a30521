"""Runs in pairs, A B A B: what one traffic does to several contenders on the same machine."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contenders import CHAT, Contender
from bench.machine import Cores, Strangers, cpu_s, rss_mb
from bench.meterr_process import Meterr
from bench.tools import BenchError, Load, Mock, Traffic, run_load

STRANGERS_MAX = 0.10
_MODEL = "gpt-4o-mini"
_TEXT = (
    "Summarise the following note for the night shift in two sentences and keep every figure: "
    "the second pump was exchanged at half past four, pressure rose from 2.1 to 2.6 bar within "
    "twenty minutes and has been steady since; valve 17 still drips, about one drop a second; the "
    "supplier promised a new seal for Thursday. Nobody was hurt, the alarm was a false one, and "
    "the log of the old pump is in the folder beside the door."
)


@dataclass(frozen=True)
class Scenario:
    """A traffic, how the mock answers it, and how often it is repeated for each contender."""

    name: str
    traffic: Traffic
    rounds: int
    delay_ms: int = 0
    pace_ms: int = 0


@dataclass(frozen=True)
class Run:
    """One contender under one traffic, once."""

    contender: str
    load: Load
    cpu_us: float  # of the contender's processes, per complete answer
    cores_busy: float  # CPU seconds of the contender per second
    rss_mb: float
    strangers: float  # share of the whole machine


@dataclass
class Bench:
    """What every measurement needs."""

    cores: Cores
    mock: Mock
    meterr: Meterr
    folder: Path
    faults: list[str] = field(default_factory=list)  # of peers; ours end the run

    def body(self, *, stream: bool) -> Path:
        """Return a file with a chat request of about 600 bytes."""
        path = self.folder / ("stream.json" if stream else "whole.json")
        asks = ',"stream":true' if stream else ""
        path.write_text(
            f'{{"model":"{_MODEL}","messages":[{{"role":"system","content":"You are terse."}},'
            f'{{"role":"user","content":"{_TEXT}"}}],"temperature":0.2{asks}}}'
        )
        return path


def say(text: str) -> None:
    """Tell the person who waits what is going on."""
    print(text, file=sys.stderr, flush=True)


def measure(bench: Bench, contender: Contender, traffic: Traffic) -> Run:
    """
    Put one traffic on one contender.

    Raises BenchError when a single answer was wrong, cut short or missing: such a figure would
    flatter whoever failed.
    """
    before = bench.mock.counts()
    if contender.transparent and not traffic.events:
        traffic = replace(traffic, answer_bytes=before.bytes)
    elif not contender.transparent:
        traffic = replace(traffic, answer_bytes=0, events=0)
    pids = contender.pids()
    strangers, cpu = Strangers(), sum(map(cpu_s, pids))
    prefix = bench.cores.pinned(bench.cores.load)
    load = run_load(prefix, contender.port, CHAT, contender.headers, traffic)
    used, others = sum(map(cpu_s, pids)) - cpu, strangers.share()
    if not load.measured and not load.failed:
        raise BenchError(f"{contender.name} answered nothing within {traffic.seconds:g} s")
    if load.failed:
        raise BenchError(
            f"{contender.name}: {load.errors}; the first wrong answer: {load.first_wrong}"
        )
    if pids == bench.meterr.contender().pids():
        bench.meterr.asked += bench.mock.counts().requests - before.requests
    wall = traffic.warm_s + load.seconds
    memory = sum(map(rss_mb, pids))
    return Run(contender.name, load, used / load.complete * 1e6, used / wall, memory, others)


def compare(bench: Bench, scenario: Scenario, contenders: Sequence[Contender]) -> list[Run]:
    """Run ``scenario`` with each contender in turn, round after round."""
    bench.mock.answer_like(delay_ms=scenario.delay_ms, pace_ms=scenario.pace_ms)
    runs: list[Run] = []
    given_up: set[str] = set()
    for number in range(scenario.rounds):
        for contender in contenders:
            if contender.name in given_up:
                continue
            try:
                run = measure(bench, contender, _long_enough(scenario.traffic, contender))
            except BenchError as error:
                if contender.transparent:
                    raise
                # A peer that fails is told and left out; what it has to say ends nobody else's run.
                bench.faults.append(f"{scenario.name}: {error}")
                given_up.add(contender.name)
                continue
            runs.append(run)
            say(_line(scenario, number, run))
    bench.mock.answer_like(delay_ms=0, pace_ms=0)
    return runs


def _long_enough(traffic: Traffic, contender: Contender) -> Traffic:
    """Give those who answer a hundred calls a second the time for some; a rate needs none."""
    if contender.transparent or traffic.rate:
        return traffic
    return replace(traffic, seconds=3 * traffic.seconds, warm_s=4 * traffic.warm_s)


def of(runs: Sequence[Run], name: str) -> list[Run]:
    """Return the runs of one contender, in order."""
    return [run for run in runs if run.contender == name]


def _line(scenario: Scenario, number: int, run: Run) -> str:
    load = run.load
    warning = "  STRANGERS" if run.strangers > STRANGERS_MAX else ""
    return (
        f"{scenario.name:<12} {number + 1}/{scenario.rounds}  {run.contender:<8}"
        f"{load.rps:>10,.0f}/s  p50 {load.p50_us:>8,.0f}  p99 {load.p99_us:>8,.0f} us"
        f"  {run.cpu_us:>8.1f} us CPU each  busy {run.cores_busy:4.2f}  load {load.busy:4.2f}"
        f"  strangers {run.strangers:4.0%}{warning}"
    )
