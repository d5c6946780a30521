"""The tables, as Markdown: readable in a terminal and in RESULTS.md alike."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.bars import verdicts
from bench.history import History
from bench.measure import STRANGERS_MAX
from bench.outcome import Outcome
from bench.tools import HERE

RESULTS = HERE / "RESULTS.md"
_HEAD = """\
# Results

Newest last; each section is one run of `./dev bench --write`. How it is measured: README.md. Only
ratios carry over to another machine.
"""


def text(outcome: Outcome) -> str:
    """Return all tables that have something in them."""
    parts = [_contenders(outcome), _verdicts(outcome), _details(outcome), _micro(outcome)]
    return "\n\n".join(part for part in parts if part)


def append(outcome: Outcome, path: Path = RESULTS) -> None:
    """Add a dated section to the record."""
    facts = outcome.facts
    versions = ", ".join(
        f"{each.name} {each.version}" for each in outcome.contenders if each.version
    )
    section = (
        f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"{facts['cores']} cores of {facts['cpu']}, Linux {facts['kernel']}, "
        f"CPython {facts['python']}; {versions}. Command: `{outcome.command}`. "
        f"Others took up to {outcome.strangers():.0%} of the machine.\n\n{text(outcome)}\n"
    )
    before = path.read_text() if path.exists() else _HEAD
    path.write_text(before + section)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned Markdown table; the first row is its head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _contenders(outcome: Outcome) -> str:
    if not outcome.runs:
        return ""
    head = ["", "requests/s", "of nginx", "us CPU each", "of nginx's", "added p50, ms"]
    head += ["added p99, ms", "SSE streams/s", "of nginx", "RSS, MB", "ready, s"]
    rows = [head]
    rows += [_row(outcome, each.name, each.ready_s) for each in outcome.contenders]
    return table(rows)


def _row(outcome: Outcome, name: str, ready_s: float | None) -> list[str]:
    return [
        name,
        _number(outcome.value("throughput", name, "rps"), 0),
        _spread(outcome.pairs("throughput", name, "nginx"), 3),
        _number(outcome.value("throughput", name, "cpu_us") or None, 1),
        _spread(outcome.pairs("throughput", "nginx", name, "cpu_us"), 3),
        _spread([us / 1000 for us in outcome.added_us(name, "p50_us")], 2),
        _spread([us / 1000 for us in outcome.added_us(name, "p99_us")], 2),
        _number(outcome.value("sse", name, "rps"), 0),
        _spread(outcome.pairs("sse", name, "nginx"), 2),
        _number(outcome.value("throughput", name, "rss_mb") or None, 0),
        _number(ready_s, 2),
    ]


def _verdicts(outcome: Outcome) -> str:
    rows = [["bar of the issue", "asked", "measured", ""]]
    rows += [[each.what, each.bar, each.measured, each.word] for each in verdicts(outcome)]
    return table(rows)


def _details(outcome: Outcome) -> str:
    """Return one line per scenario and contender: medians, and who else was running."""
    head = ["scenario", "contender", "/s", "p50, us", "p99, us", "us CPU each", "busy", "strangers"]
    rows = [head]
    for scenario, runs in outcome.runs.items():
        for name in dict.fromkeys(run.contender for run in runs):
            others = max(outcome.values(scenario, name, "strangers"))
            cells = [
                _number(outcome.value(scenario, name, what), digits)
                for what, digits in (
                    ("rps", 0),
                    ("p50_us", 0),
                    ("p99_us", 0),
                    ("cpu_us", 1),
                    ("cores_busy", 2),
                )
            ]
            mark = " (!)" if others > STRANGERS_MAX else ""
            rows.append([scenario, name, *cells, f"{others:.0%}{mark}"])
    lines = [table(rows)] if len(rows) > 1 else []
    if outcome.readiness:
        ready = outcome.readiness
        lines.append(f"A warm `meterr up`, database included: {ready.warm_up_s:.2f} s.")
    if outcome.history:
        lines.append(_told(outcome.history))
    if outcome.ledger:
        found = outcome.ledger
        lines.append(
            f"{found.asked:,} calls counted by the mock, {found.entries:,} ledger entries."
        )
    return "\n\n".join(lines)


def _told(found: History) -> str:
    return (
        f"A ledger of {found.rows:,} entries over 30 days, copied in {found.copied_s:,.0f} s; "
        f"{found.hours:,} hours of tenants rolled up in {found.rolled_up_s:,.0f} s. "
        f"`usage --by model,key --from 30d` of the tenant with half of them, {found.groups:,} "
        f"groups: p50 {found.usage_p50_ms:.0f} ms, p95 {found.usage_p95_ms:.0f} ms, and "
        f"{found.raw_ms:,.0f} ms before anything was rolled up. Dropping a day of "
        f"{found.dropped_rows:,} entries: {found.drop_ms:.0f} ms."
    )


def _micro(outcome: Outcome) -> str:
    if not outcome.micro:
        return ""
    rows = [["step", "us", "best", "budget"]]
    for step in outcome.micro:
        budget = "" if step.budget_us is None else f"{step.budget_us:g}"
        rows.append([step.name, f"{step.us:.2f}", f"{step.best_us:.2f}", budget])
    return table(rows)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"{middle:.{digits}f} ({ordered[0]:.{digits}f} to {ordered[-1]:.{digits}f})"
