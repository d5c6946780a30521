"""The story in order: calls, a kill, the bill, the proofs. Returns whether all of them hold."""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import anthropic
import openai

from demo import asking, crash, proof, traffic
from demo.proof import Proof
from demo.running import DemoFailed, Running
from demo.terminal import Terminal

_CALL_WIDTHS = (9, 19, 22, 41, -13)
_SAID_MAX = 41
_USAGE = ("model", "calls", "prompt", "cached", "answer", "cost USD", "remarks")
_FIGURES = ("calls", "prompt_tokens", "cached_tokens", "answer_tokens")
_REMARKS = ("refused", "interrupted", "estimated", "partial", "failed", "unpriced")
_UNBILLED = 1  # the unknown model: an entry without a call at the provider


def tell(running: Running, url: str, key: str, terminal: Terminal) -> bool:
    """Make every call, kill the gateway, and prove the books."""
    with traffic.opened(url, key) as clients:
        _tell_calls(clients, terminal)
        crashed = crash.crash(running, clients)
        _tell_crash(crashed, terminal)
    received = running.received()
    entries = proof.drained(running, len(received) + _UNBILLED)
    usage, verification = running.ask("usage", "--by", "model"), running.ask("verify", "ledger")
    asker = asking.key_for_questions(running)
    _tell_usage(usage.read()[0], terminal)
    verified, _, status = verification.read()
    proofs = (
        proof.witness(received, entries),
        proof.refusals(entries, traffic.UNKNOWN),
        proof.interruption(entries, crashed.request_id),
        proof.recomputed(verified, status, entries),
        *asking.tell(url, asker, entries, terminal),
    )
    return _tell_proofs(proofs, terminal)


def _tell_calls(clients: traffic.Clients, terminal: Terminal) -> None:
    terminal.heading("Calls through the official SDKs")
    terminal.head(("SDK", "call", "model", "what came back", "cost USD"), _CALL_WIDTHS)
    for step in traffic.STEPS:
        outcome = _made(step, clients)
        said = _shortened(outcome.said)
        terminal.cells((step.sdk, step.what, step.model, said, outcome.cost), _CALL_WIDTHS)


def _made(step: traffic.Step, clients: traffic.Clients) -> traffic.Outcome:
    try:
        return step.make(clients)
    except (openai.OpenAIError, anthropic.AnthropicError, DemoFailed) as error:
        raise DemoFailed(f"{step.sdk} {step.what}: {type(error).__name__}: {error}") from error


def _tell_crash(seen: crash.Crash, terminal: Terminal) -> None:
    terminal.heading("kill -9 of the gateway in the middle of a stream")
    terminal.line(f"process {seen.killed} killed; the client had {seen.pieces} events: {seen.seen}")
    terminal.line(
        f"process {seen.successor} took over by itself; the next call was answered "
        f'{seen.back_after_s:.1f} s after the kill: "{seen.answered}"'
    )


def _tell_usage(document: dict[str, Any], terminal: Terminal) -> None:
    terminal.heading("What it cost: meterr usage --by model")
    (total,) = document["totals"]
    rows = [_usage_row(item["model"], item) for item in document["items"]]
    rows.append(_usage_row("total", total))
    terminal.table(_USAGE, rows, right={1, 2, 3, 4})


def _usage_row(name: str, item: dict[str, Any]) -> list[str]:
    cost = "-" if item["cost_usd"] is None else f"{Decimal(item['cost_usd']):f}"
    remarks = ", ".join(f"{item[each]} {each}" for each in _REMARKS if item[each])
    return [name, *(str(item[figure]) for figure in _FIGURES), cost, remarks]


def _tell_proofs(proofs: Sequence[Proof], terminal: Terminal) -> bool:
    terminal.heading("Proofs")
    for each in proofs:
        terminal.verdict(each.text, holds=each.holds)
    return all(each.holds for each in proofs)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SAID_MAX else f"{line[: _SAID_MAX - 3]}..."


def invite(running: Running, url: str, key: str, terminal: Terminal) -> None:
    """Offer lines to paste, and stay until meterr ends or somebody presses Ctrl+C."""
    place = f"--data-dir {running.data_dir}"
    terminal.heading("It is still running. Try it:")
    terminal.line(f"curl {url}/v1/chat/completions \\")
    terminal.line(f'  -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\')
    terminal.line("""  -d '{"model":"gpt-5.4","messages":[{"role":"user","content":"Hello"}]}'""")
    terminal.line()
    terminal.line(f"curl {url}/v1/messages \\")
    terminal.line(f'  -H "x-api-key: {key}" -H "anthropic-version: 2023-06-01" \\')
    terminal.line("""  -H "Content-Type: application/json" -d '{"model":"claude-sonnet-5",""")
    terminal.line("""  "max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}'""")
    terminal.line()
    terminal.line(f".venv/bin/meterr usage --by model {place}")
    terminal.line(f'.venv/bin/meterr ask "Cost by model" {place}')
    terminal.line(f".venv/bin/meterr logs -f {place}")
    terminal.line()
    terminal.aside("Ctrl+C stops everything and removes its folder.")
    while running.process.poll() is None:
        time.sleep(0.2)
