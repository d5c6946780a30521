"""
./dev bench: meterr beside no gateway, nginx and others, on one mock upstream and one load.

Exits 0 when everything could be measured, whatever the figures are; 1 when something could not run
or an answer was wrong or incomplete.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import draining, lifetime, report
from bench.contenders import Contender, direct, nginx
from bench.emergency import emergency
from bench.guarded import guard_cost
from bench.history import history
from bench.keys import keys
from bench.limited import limited
from bench.machine import choose_cores, facts
from bench.measure import STRANGERS_MAX, Bench, compare, measure, say
from bench.meterr_process import meterr, open_folder
from bench.micro import micro
from bench.outcome import Outcome
from bench.peers import peers
from bench.question import question_cost
from bench.revocation import revocation
from bench.scenarios import scenarios
from bench.sign_in import sign_in
from bench.tools import BenchError, Mock, Traffic

COMPARED = ("throughput", "limited", "connections", "sse", "paced", "calm")
ALONE = (
    "ready",
    "rss",
    "drain",
    "keepup",
    "revocation",
    "micro",
    "keys",
    "emergency",
    "sign_in",
    "usage",
    "guard",
    "question",
)
# Takes minutes and gigabytes: only when it is asked for by name, or with --full.
LARGE = frozenset({"usage"})
# What the bars compare with the peers; the rest would only take hours.
WITH_PEERS = frozenset({"throughput", "sse", "calm"})
WARMING_CALLS = 40
WITHOUT_DIRECT = frozenset({"connections", "paced"})


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about three minutes (default)")
    size.add_argument(
        "--full", action="store_true", help="about fifteen minutes: longer, more rounds"
    )
    parser.add_argument("--only", action="append", choices=(*COMPARED, *ALONE), help="repeatable")
    parser.add_argument(
        "--rows",
        type=int,
        default=10_000_000,
        help="ledger entries of usage (default: %(default)s)",
    )
    parser.add_argument("--peers", action="store_true", help="LiteLLM's and Portkey's gateways too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--write", action="store_true", help="append to bench/RESULTS.md")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, outcome: Outcome) -> None:
    """Measure everything that was asked for."""
    wanted = set(options.only or (*COMPARED, *ALONE))
    if not (options.only or options.full):
        wanted -= LARGE
    if "guard" in wanted:
        outcome.guard = guard_cost()
    if "question" in wanted:
        rows = 1_000_000 if options.full or (options.only and not options.quick) else 100_000
        outcome.question = question_cost(rows=rows)
    if wanted - {"guard", "question"}:  # these need none of what the others start
        _run_beside(options, outcome, wanted)


def _run_beside(options: argparse.Namespace, outcome: Outcome, wanted: set[str]) -> None:
    """Measure what needs a running meterr."""
    cores = choose_cores()
    if cores.load is None:
        say("Fewer than two cores, or no taskset: nothing is pinned, ratios mean little.")
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        mock = stack.enter_context(Mock(cores.pinned(cores.load)))
        beside = stack.enter_context(nginx(mock, cores, folder / "nginx"))
        if beside is None:
            say("nginx is not installed: no ratios to it (apt install nginx-light)")
        others = stack.enter_context(peers(mock, cores, folder)) if options.peers else []
        say("starting meterr with an empty database")
        running = stack.enter_context(meterr(mock, cores))
        bench = Bench(cores, mock, running, folder)
        for each in others:  # what they import and connect on the first calls is not measured
            measure(bench, each, Traffic(bench.body(stream=False), 4, 3600, 0, limit=WARMING_CALLS))
        _lasting(bench, wanted, outcome, full=options.full)
        ours = running.contender()
        ours.ready_s = outcome.readiness.gateway_s if outcome.readiness else None
        compared = [direct(mock), *([beside] if beside else []), ours, *others]
        outcome.contenders = compared
        for name, scenario in scenarios(bench, full=options.full).items():
            if name in wanted:
                taking = [each for each in compared if _takes_part(name, each)]
                if name == "limited":
                    taking = [ours, *limited(running)]
                outcome.runs[name] = compare(bench, scenario, taking)
        outcome.ledger = draining.ledger(bench)
        if "usage" in wanted:  # last: a ledger of gigabytes would be beside everything else
            outcome.history = history(bench.meterr.dsn, rows=options.rows)
        if bench.faults:
            raise BenchError("; ".join(bench.faults))


def _takes_part(scenario: str, contender: Contender) -> bool:
    if not contender.transparent:
        return scenario in WITH_PEERS
    return contender.name != "direct" or scenario not in WITHOUT_DIRECT


def _lasting(bench: Bench, wanted: set[str], outcome: Outcome, *, full: bool) -> None:
    """Measure meterr alone; restarts come first, so that what follows runs in one process."""
    measure(bench, bench.meterr.contender(), Traffic(bench.body(stream=False), 8, 1))
    if "ready" in wanted:
        outcome.readiness = lifetime.readiness(bench, rounds=5 if full else 3)
    if "rss" in wanted:
        outcome.memory = lifetime.memory(bench)
    if "drain" in wanted:
        outcome.drain = draining.drain_rate(bench, entries=500_000 if full else 200_000)
    if "keepup" in wanted:
        outcome.keeping_up = draining.keeping_up(bench, seconds=60 if full else 20)
    if "revocation" in wanted:
        outcome.revocation = revocation(bench)
    if "micro" in wanted:
        outcome.micro = micro(bench)
    if "keys" in wanted:
        outcome.keys = keys(bench)
    if "emergency" in wanted:
        outcome.emergency = emergency(bench)
    if "sign_in" in wanted:
        outcome.sign_in = sign_in(bench, pairs=100 if full else 40)


def main() -> int:
    options = parse(sys.argv[1:])
    outcome = Outcome(facts(), " ".join(["./dev", "bench", *sys.argv[1:]]))
    failure = ""
    try:
        run(options, outcome)
    except BenchError as error:
        failure = str(error)
    print(report.text(outcome))
    if outcome.strangers() > STRANGERS_MAX:
        say("Others used more than 10 % of this machine meanwhile: measure again when it is quiet.")
    if options.json:
        options.json.write_text(json.dumps(outcome.as_json(), indent=1))
    if failure:
        say(f"bench: {failure}")
        return 1
    if options.write:
        report.append(outcome)
        say("appended to bench/RESULTS.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
