"""Room in the journal: set aside before a call leaves, so that its end always has a place."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_house import IDS, SMALL, a_journal, exhaust, fill, small_disk
from journal_samples import PRICE, FakeClock, a_settled, an_opened, portions, settled_in

from meterr.ledger.journal import Journal, JournalFull, Limits, folder
from meterr.ledger.journal.limits import SETTLED_BYTES_MAX
from meterr.ledger.model import Progress, State


class TestRoom:
    def test_is_refused_before_the_call_leaves_and_kept_for_open_ones(self, tmp_path: Path) -> None:
        """P2: at the limit new calls get 503, and each open one still settles."""
        with closing(a_journal(tmp_path)) as journal:
            taken = fill(journal)
            longest = "x" * SETTLED_BYTES_MAX
            for call_id in taken:
                journal.settled(a_settled(call_id, error=longest, answered_model=longest), PRICE)
            path = journal.path
        assert set(taken) == settled_in(path).keys()
        assert {State.SETTLED} == {entry.state for entry in settled_in(path).values()}

    def test_that_is_refused_says_when_to_come_back(self, tmp_path: Path) -> None:
        """S2: 503 with Retry-After, never a dropped record."""
        with closing(a_journal(tmp_path)) as journal:
            fill(journal)
            with pytest.raises(JournalFull) as refused:
                journal.opened(an_opened(IDS.new()), PRICE)
        assert (503, True) == (refused.value.status, (refused.value.retry_after_s or 0) > 0)

    def test_comes_back_when_calls_settle(self, tmp_path: Path) -> None:
        """P2: what a call set aside and did not use serves the next ones."""
        clock = FakeClock()
        with closing(a_journal(tmp_path, clock=clock)) as journal:
            taken = fill(journal)
            assert not journal.is_accepting
            for call_id in taken:
                journal.settled(a_settled(call_id), PRICE)
            assert journal.is_accepting
            clock.now_s += 2
            assert len(fill(journal)) > len(taken) // 2

    def test_is_shared_by_all_processes_under_one_root(self, tmp_path: Path) -> None:
        """P2: the limit holds for the folder, not for each process."""
        with closing(a_journal(tmp_path)) as one, closing(a_journal(tmp_path)) as other:
            fill(one)
            fill(other)
            assert folder.bytes_under(tmp_path) <= SMALL.total_bytes_max

    def test_a_full_disk_refuses_calls_and_keeps_its_promises(self, tmp_path: Path) -> None:
        """P2: ENOSPC is met when room is set aside, never when a call ends."""
        with small_disk(tmp_path, size_kib=448) as disk:
            limits = Limits(segment_bytes=65_536)
            with closing(a_journal(disk, limits)) as journal:
                taken = fill(journal)
                (disk / "filler").write_bytes(b"")
                exhaust(disk / "filler")
                for call_id in taken:
                    journal.settled(a_settled(call_id, error="e" * 9000), PRICE)
                path = journal.path
            assert set(taken) == settled_in(path).keys()
            assert all(entry.state is State.SETTLED for entry in settled_in(path).values())

    def test_a_disk_without_room_for_the_first_segment_refuses_to_start(
        self, tmp_path: Path
    ) -> None:
        """P2: a gateway that cannot record does not serve, and leaves nothing behind."""
        with small_disk(tmp_path, size_kib=64) as disk:
            with pytest.raises(JournalFull):
                a_journal(disk, Limits(segment_bytes=131_072))
            assert [] == folder.process_folders(disk)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5000)), max_size=200))
    def test_never_falls_below_zero_whatever_is_written(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
    ) -> None:
        """P2: every opened call that was accepted is there, settled if it settled."""
        root = tmp_path_factory.mktemp("room")
        expected: dict[str, State] = {}
        with closing(a_journal(root, clock=FakeClock())) as journal:
            for kind, size in steps:
                take_step(journal, kind, size, expected)
                assert journal._pages.room >= 0
            path = journal.path
        found = {name: entry.state for name, entry in settled_in(path).items()}
        assert expected == found
        assert [] == [damage for portion in portions(path) for damage in portion.damages]


def take_step(journal: Journal, kind: int, size: int, expected: dict[str, State]) -> None:
    """Do one thing that a gateway does, and note what the ledger must then say."""
    call_id = IDS.new()
    open_calls = [name for name, state in expected.items() if state is State.INTERRUPTED]
    if kind == 0 or (kind in (1, 2) and not open_calls):
        try:
            journal.opened(an_opened(call_id, model="m" * (size % 800)), PRICE)
        except JournalFull:
            return
        expected[call_id] = State.INTERRUPTED
    elif kind == 1:
        name = open_calls[size % len(open_calls)]
        journal.settled(a_settled(name, error="e" * size), PRICE)
        expected[name] = State.SETTLED
    elif kind == 2:
        journal.progress(Progress(id=open_calls[0], answer_chars=size))
    else:
        record = a_settled(call_id, state=State.REFUSED, price="", usage=None, cost=None)
        try:
            journal.settled(record)
        except JournalFull:
            return
        expected[call_id] = State.REFUSED
