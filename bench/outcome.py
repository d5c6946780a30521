"""Everything that one run of the benchmark found; what was not measured is None or empty."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.contenders import Contender
from bench.draining import DrainRate, KeepingUp, Ledger
from bench.emergency import Emergency
from bench.guarded import GuardCost
from bench.history import History
from bench.keys import Keys
from bench.lifetime import Memory, Readiness
from bench.measure import Run, of
from bench.micro import Step
from bench.question import QuestionCost
from bench.revocation import Revocation
from bench.sign_in import SignInTimes


@dataclass
class Outcome:
    """Results by part. ``runs`` are by scenario, in the order they were made."""

    facts: dict[str, str]
    command: str
    contenders: list[Contender] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    readiness: Readiness | None = None
    memory: Memory | None = None
    drain: DrainRate | None = None
    keeping_up: KeepingUp | None = None
    ledger: Ledger | None = None
    revocation: Revocation | None = None
    keys: Keys | None = None
    emergency: Emergency | None = None
    sign_in: SignInTimes | None = None
    history: History | None = None
    guard: GuardCost | None = None
    question: QuestionCost | None = None
    micro: list[Step] = field(default_factory=list)

    def values(self, scenario: str, contender: str, what: str) -> list[float]:
        """Return one figure of every run: a field of Run, or of its Load."""
        runs = of(self.runs.get(scenario, []), contender)
        return [getattr(run if hasattr(run, what) else run.load, what) for run in runs]

    def value(self, scenario: str, contender: str, what: str) -> float | None:
        """Return the median over the runs, or None when there were none."""
        found = self.values(scenario, contender, what)
        return median(found) if found else None

    def pairs(self, scenario: str, over: str, under: str, what: str = "rps") -> list[float]:
        """Return the ratio in each round; partners are neighbours in time."""
        above, below = self.values(scenario, over, what), self.values(scenario, under, what)
        return [a / b for a, b in zip(above, below, strict=False) if b]

    def added_us(self, contender: str, what: str) -> list[float]:
        """Return what a contender adds to the direct way at a calm rate, round by round."""
        with_it, without = self.values("calm", contender, what), self.values("calm", "direct", what)
        return [a - b for a, b in zip(with_it, without, strict=False)]

    def strangers(self) -> float:
        """Return the largest share of the machine that others took in any run."""
        return max((run.strangers for runs in self.runs.values() for run in runs), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "facts": self.facts,
            "command": self.command,
            "versions": {each.name: each.version for each in self.contenders},
            "runs": {name: [asdict(run) for run in runs] for name, runs in self.runs.items()},
            **{
                name: asdict(part) if (part := getattr(self, name)) else None
                for name in (
                    "readiness",
                    "memory",
                    "drain",
                    "keeping_up",
                    "ledger",
                    "revocation",
                    "keys",
                    "emergency",
                    "sign_in",
                    "history",
                    "guard",
                    "question",
                )
            },
            "micro": [asdict(step) for step in self.micro],
        }
