"""Whatever happens to a dead journal's bytes: untouched entries are read, and none is made up."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_house import IDS, a_journal
from journal_samples import PRICE, a_settled, an_opened, portions

from meterr.ledger.journal import folder
from meterr.ledger.journal.record import frame
from meterr.ledger.model import Settled, State

places = st.floats(0, 1, exclude_max=True)
scars = st.lists(st.tuples(places, st.binary(min_size=1, max_size=300)), min_size=1, max_size=6)
cuts = st.one_of(st.none(), places)


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(scars, cuts)
def test_entries_that_no_damage_touched_are_read_and_nothing_is_made_up(
    tmp_path_factory: pytest.TempPathFactory, scars: list[tuple[float, bytes]], cut: float | None
) -> None:
    """P2: overwritten, zeroed or cut anywhere, a journal loses only what was hit, and says so."""
    path, written = a_dead_journal(tmp_path_factory.mktemp("damage"))
    (segment,) = folder.segments(path)
    before = segment.read_bytes()
    after = bytearray(before)
    end = len(before.rstrip(b"\0"))
    for place, content in scars:
        start = int(place * end)
        after[start : start + len(content)] = content
    if cut is not None:
        del after[int(cut * end) :]
    segment.write_bytes(after)

    found = list(portions(path))

    entries = {entry.id: entry for portion in found for entry in portion.settled}
    assert untouched(written, before, bytes(after)) <= entries.keys()
    settled = [entry for entry in entries.values() if entry.state is State.SETTLED]
    assert all(written[entry.id] == entry for entry in settled)
    if bytes(after).rstrip(b"\0") != before.rstrip(b"\0") and len(settled) < len(written):
        assert cut is not None or [damage for portion in found for damage in portion.damages]


def a_dead_journal(root: Path) -> tuple[Path, dict[str, Settled]]:
    """A journal of thirty settled calls whose process is gone."""
    written = {}
    with closing(a_journal(root)) as journal:
        for _ in range(30):
            call_id = IDS.new()
            journal.opened(an_opened(call_id), PRICE)
            written[call_id] = a_settled(call_id)
            journal.settled(written[call_id])
    return journal.path, written


def untouched(written: dict[str, Settled], before: bytes, after: bytes) -> set[str]:
    """Ids of the entries whose line, and the newline before it, are as they were written."""
    ids = set()
    for call_id, entry in written.items():
        line = b"\n" + frame(entry)
        start = before.index(line)
        if after[start : start + len(line)] == line:
            ids.add(call_id)
    return ids
