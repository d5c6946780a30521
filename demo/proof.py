"""What is proven: the ledger against the simulator's own log, and every cost against its price."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo.running import Running

_DRAIN_TIMEOUT_S = 30.0
Entries = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Proof:
    """One statement, and whether it holds."""

    text: str
    holds: bool


def drained(running: Running, expected: int) -> Entries:
    """Return the ledger's entries once there are ``expected``, or those that came in time."""
    deadline = time.monotonic() + _DRAIN_TIMEOUT_S
    while True:
        entries: Entries = running.ask("logs", "--limit", "1000").read()[0]["items"]
        if len(entries) >= expected or time.monotonic() > deadline:
            return entries


def witness(received: Sequence[dict[str, Any]], entries: Entries) -> Proof:
    """Compare request ids: each call that reached the provider has exactly one entry."""
    left = Counter(each["id"] for each in entries if each["state"] != "refused")
    arrived = Counter(each["caller_id"] for each in received)
    text = (
        f"entries = calls the simulator received: {left.total()} = {arrived.total()}, "
        f"the same request ids, {sum(count - 1 for count in left.values())} twice, "
        f"{len(arrived.keys() - left.keys())} lost"
    )
    return Proof(text, holds=arrived.total() > 0 and left == arrived)


def refusals(entries: Entries, model: str) -> Proof:
    """The unknown model is on file and cost nothing; the bad key belongs to no tenant."""
    refused = [each for each in entries if each["state"] == "refused"]
    text = f"refused before leaving: {len(refused)} ({model}), without a cost"
    good = [each["model"] for each in refused] == [model] and refused[0]["cost_usd"] is None
    return Proof(text + "; the bad key is nobody's: no entry", holds=good)


def interruption(entries: Entries, request_id: str) -> Proof:
    """The stream under which the gateway died is on file, with an estimated cost."""
    found = [each for each in entries if each["id"] == request_id]
    if not found:
        return Proof("the interrupted stream is in the ledger", holds=False)
    entry = found[0]
    text = (
        f"the stream that kill -9 cut is in the ledger: {entry['state']}, "
        f"{entry['cost_usd']} USD, marked as estimated"
    )
    holds = entry["state"] == "interrupted" and bool(entry["estimate"]) and entry["cost_usd"]
    return Proof(text, holds=bool(holds))


def recomputed(document: dict[str, Any], status: int, entries: Entries) -> Proof:
    """``meterr verify ledger`` found nothing, in as many entries as there are."""
    text = (
        f"recomputed cost = stored cost: {document['entries']} entries, "
        f"{document['cost_usd']} USD, {document['failed'] or 'no'} difference"
    )
    clean = status == 0 and not document["failed"] and document["entries"] == len(entries)
    return Proof(text, holds=clean)
