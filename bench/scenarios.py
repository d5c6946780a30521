"""The traffics of the issue, in a quick and a full size."""

from bench.measure import Bench, Scenario
from bench.tools import Traffic

EVENTS = 50
PACE_MS = 512
STREAM_RATE = 500
CALM_RATE = 100


def scenarios(bench: Bench, *, full: bool) -> dict[str, Scenario]:
    """Return every comparison by name."""
    rounds = 5 if full else 3
    seconds = 10.0 if full else 2.5
    whole, stream = bench.body(stream=False), bench.body(stream=True)
    warm_s = 1.0 if full else 0.5
    found = [
        Scenario("throughput", Traffic(whole, 64, seconds, warm_s), rounds),
        Scenario("limited", Traffic(whole, 64, seconds, warm_s), rounds),
        Scenario("connections", Traffic(whole, 1000, seconds, 1.0), rounds, delay_ms=20),
        Scenario("sse", Traffic(stream, 64, seconds, warm_s, events=EVENTS), rounds),
        Scenario(
            "paced",
            Traffic(stream, 1000, seconds, 1.0, rate=STREAM_RATE, events=EVENTS),
            rounds,
            pace_ms=PACE_MS,
        ),
        Scenario("calm", Traffic(whole, 16, seconds * 1.5, 0.5, rate=CALM_RATE), rounds),
    ]
    return {scenario.name: scenario for scenario in found}
