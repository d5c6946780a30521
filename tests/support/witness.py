"""Compare the ledger with the simulator's own log: nothing lost, nothing twice."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterr.ledger.journal.record import Line
from meterr.ledger.journal.segment import scan_sealed
from meterr.ledger.model import Opened, Settled
from support.load import Seen
from support.meterr_house import House

JOURNALS = "journal"


def records(root: Path) -> Iterator[Line]:
    """Yield every record in the journals of a house, of processes living and dead."""
    for path in sorted(root.glob("*-*/*.journal")):
        try:
            yield from scan_sealed(path.read_bytes(), 0, str(path)).records
        except FileNotFoundError:  # drained and gone since it was listed
            continue


@dataclass(frozen=True)
class Audit:
    """Ledger and witness side by side, after the drain."""

    received: Counter[str]
    reported: dict[str, Any]  # usage the simulator sent, of calls it answered to the end
    entries: dict[str, dict[str, Any]]
    rows: int

    @property
    def lost(self) -> set[str]:
        """Calls that left for the provider and have no entry."""
        return self.received.keys() - self.entries.keys()

    @property
    def sent_twice(self) -> list[str]:
        """Calls that arrived more than once."""
        return [each for each, count in self.received.items() if count > 1]

    @property
    def never_left(self) -> dict[str, dict[str, Any]]:
        """Entries of calls that the provider never received."""
        return {i: entry for i, entry in self.entries.items() if i not in self.received}

    def of(self, state: str) -> dict[str, dict[str, Any]]:
        """Return the entries in ``state``."""
        return {i: entry for i, entry in self.entries.items() if entry["state"] == state}


def audit(house: House) -> Audit:
    """Read both sides as they are now."""
    lines = [json.loads(line) for line in house.call_log.read_text().splitlines()]
    callers = {e["id"]: e["caller_id"] for e in lines if e["event"] == "received"}
    rows = house.entries()
    return Audit(
        received=Counter(callers.values()),
        reported={callers[e["id"]]: e["usage"] for e in lines if e["event"] == "answered"},
        entries={row["id"]: row for row in rows},
        rows=len(rows),
    )


def undrained(house: House) -> list[str]:
    """Return the calls in the journals that are open, or settled and not in the ledger."""
    known = {row["id"] for row in house.entries()}
    found = list(records(house.data_dir / JOURNALS))
    settled = {each.id for each in found if isinstance(each, Settled)}
    opened = {each.id for each in found if isinstance(each, Opened)} - settled
    return sorted((opened | settled) - known)


def folders(house: House) -> list[str]:
    """Return the folders in the journal's root: one per process, and what waits for a person."""
    return sorted(path.name for path in (house.data_dir / JOURNALS).iterdir() if path.is_dir())


def assert_nothing_lost_and_nothing_twice(found: Audit) -> None:
    """Hold P2: each call that left has exactly one entry, and none that did not costs anything."""
    assert set() == found.lost
    assert [] == found.sent_twice
    assert found.rows == len(found.entries)
    billed = {i for i, e in found.never_left.items() if e["cost_usd"] and not e["estimate"]}
    assert set() == billed
    assert set() == set(found.of("opened"))
    assert [] == [i for i, entry in found.of("interrupted").items() if not entry["estimate"]]


def assert_settled_exactly(found: Audit, seen: Iterable[Seen]) -> list[str]:
    """Hold P1 for every call that the client saw whole; return those closed by estimate."""
    estimated = []
    for each in seen:
        if not each.whole:
            continue
        entry = found.entries[each.id]
        if entry["state"] == "interrupted":
            estimated.append(each.id)
            continue
        assert ("settled", "complete", each.prompt, each.answer, "") == (
            entry["state"],
            entry["outcome"],
            entry["input"],
            entry["output"],
            entry["estimate"],
        )
        assert entry["cost_usd"] is not None
    return estimated
