"""The journal's writing side: what is on file when, and what happens when there is no room."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_samples import (
    PRICE,
    FakeClock,
    a_settled,
    an_opened,
    new_ids,
    portions,
    settled_in,
)

from meterr.core.clock import Clock, SystemClock
from meterr.core.errors import Invalid
from meterr.ledger.journal import Durability, Journal, JournalFull, Limits, folder
from meterr.ledger.journal.limits import PROMISE_BYTES, SETTLED_BYTES_MAX
from meterr.ledger.journal.record import frame
from meterr.ledger.model import Opened, Progress, Settled, State, Usage

SMALL = Limits(segment_bytes=65_536, total_bytes_max=4 * 65_536)
IDS = new_ids()


def a_journal(root: Path, limits: Limits = SMALL, clock: Clock | None = None) -> Journal:
    return Journal.open(root, clock=clock or SystemClock(), ids=IDS, limits=limits)


def on_file(journal: Journal) -> bytes:
    """What another process sees, and would see after kill -9."""
    parts = [path.read_bytes().rstrip(b"\0") for path in folder.segments(journal.path)]
    return b"".join(parts)


def fill(journal: Journal) -> list[str]:
    """Open calls until the journal refuses; return the ids that it took."""
    taken: list[str] = []
    while True:
        call_id = IDS.new()
        try:
            journal.opened(an_opened(call_id), PRICE)
        except JournalFull:
            return taken
        taken.append(call_id)


class TestWhatIsOnFile:
    def test_an_opened_call_is_there_when_opened_returns(self, tmp_path: Path) -> None:
        """P2: the record is in the kernel before a byte leaves for the provider."""
        with closing(a_journal(tmp_path)) as journal:
            opened = an_opened(IDS.new())
            journal.opened(opened, PRICE)
            assert frame(opened) in on_file(journal)

    async def test_a_settled_call_is_there_when_the_turn_of_the_loop_ends(
        self, tmp_path: Path
    ) -> None:
        """P2, P9: all records of one turn share one write."""
        with closing(a_journal(tmp_path)) as journal:
            records = [a_settled(IDS.new()) for _ in range(3)]
            for record in records:
                journal.settled(record, PRICE)
            assert not any(frame(record) in on_file(journal) for record in records)
            await asyncio.sleep(0)
            assert all(frame(record) in on_file(journal) for record in records)

    async def test_a_settled_call_is_written_along_with_the_next_opened(
        self, tmp_path: Path
    ) -> None:
        """P2: nothing stays in memory that could have gone with another write."""
        with closing(a_journal(tmp_path)) as journal:
            record = a_settled(IDS.new())
            journal.settled(record)
            journal.opened(an_opened(IDS.new()), PRICE)
            assert frame(record) in on_file(journal)

    def test_outside_a_loop_a_settled_call_is_there_at_once(self, tmp_path: Path) -> None:
        """P2: without a loop there is no later."""
        with closing(a_journal(tmp_path)) as journal:
            record = a_settled(IDS.new())
            journal.settled(record)
            assert frame(record) in on_file(journal)

    def test_a_price_is_defined_before_the_first_call_that_names_it(self, tmp_path: Path) -> None:
        """P1: the drain can price an interrupted call from the journal alone."""
        with closing(a_journal(tmp_path)) as journal:
            for _ in range(3):
                journal.opened(an_opened(IDS.new()), PRICE)
            lines = on_file(journal)
        assert 1 == lines.count(b'"kind":"price"')
        assert lines.index(b'"kind":"price"') < lines.index(b'"kind":"opened"')

    def test_an_old_segment_is_left_so_that_it_can_be_given_back(self, tmp_path: Path) -> None:
        """P10: a quiet process does not hold on to what is long in PostgreSQL."""
        clock = FakeClock()
        limits = Limits(segment_bytes=65_536, segment_age_s=60, sync_interval_s=0.001)
        with closing(a_journal(tmp_path, limits, clock)) as journal:
            first = an_opened(IDS.new())
            journal.opened(first, PRICE)
            journal._pages.extend(PROMISE_BYTES * 9)
            clock.now_s += 61
            journal._keeper.attention = True
            second = an_opened(IDS.new())
            journal.opened(second, PRICE)
            begun = [path for path in folder.segments(journal.path) if path.read_bytes()[0]]
            assert 2 == len(begun)
            assert frame(second) in begun[1].read_bytes()


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
            for call_id in taken:
                journal.settled(a_settled(call_id), PRICE)
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

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
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


class TestRecordsThatDoNotFit:
    def test_an_opened_call_with_an_endless_model_name_is_invalid(self, tmp_path: Path) -> None:
        """S2: each bad input has a clear answer."""
        with closing(a_journal(tmp_path)) as journal:
            for name in ("m" * 2000, "\0" * 300, "\ud800"):
                with pytest.raises(Invalid):
                    journal.opened(an_opened(IDS.new(), model=name), PRICE)
            assert 0 == journal.open_calls

    def test_a_settled_call_is_cut_and_never_refused(self, tmp_path: Path) -> None:
        """P2: a provider's endless texts do not cost the entry."""
        with closing(a_journal(tmp_path)) as journal:
            call_id = IDS.new()
            journal.opened(an_opened(call_id, model="\x01" * 180), PRICE)
            endless = "\x01" * 100_000
            journal.settled(
                a_settled(
                    call_id,
                    model="\x01" * 180,
                    error=endless,
                    outcome=endless,
                    estimate=endless,
                    answered_model=endless,
                    provider_request_id=endless,
                    usage=Usage(**dict.fromkeys(Usage.__struct_fields__, 2**90)),
                    cost="9" * 20 + "." + "9" * 18,
                )
            )
            path = journal.path
        assert State.SETTLED == settled_in(path)[call_id].state

    def test_the_same_call_is_not_opened_twice(self, tmp_path: Path) -> None:
        """P2: an id is one call."""
        with closing(a_journal(tmp_path)) as journal:
            opened = an_opened(IDS.new())
            journal.opened(opened, PRICE)
            with pytest.raises(ValueError, match="open already"):
                journal.opened(opened, PRICE)

    def test_a_call_whose_price_nobody_knows_how_to_compute_is_a_mistake_of_ours(
        self, tmp_path: Path
    ) -> None:
        """P1: a price is defined in the journal or not named."""
        with closing(a_journal(tmp_path)) as journal:
            with pytest.raises(ValueError, match="hand it over"):
                journal.opened(an_opened(IDS.new()))
            journal.opened(an_opened(IDS.new(), price=""))


class TestDurability:
    async def test_power_waits_for_the_disk(self, tmp_path: Path) -> None:
        """P2: with durability=power a call leaves only when its record survives a power cut."""
        journal = Journal.open(
            tmp_path, clock=SystemClock(), ids=IDS, limits=SMALL, durability=Durability.POWER
        )
        with closing(journal):
            for _ in range(20):
                journal.opened(an_opened(IDS.new()), PRICE)
                await journal.durable()
                assert journal._keeper.synced == journal._keeper.written

    async def test_many_calls_share_one_sync(self, tmp_path: Path) -> None:
        """P9: group commit: all that wait are answered together."""
        journal = Journal.open(
            tmp_path, clock=SystemClock(), ids=IDS, limits=SMALL, durability=Durability.POWER
        )
        with closing(journal):
            for _ in range(10):
                journal.opened(an_opened(IDS.new()), PRICE)
            await asyncio.gather(*(journal.durable() for _ in range(10)))
            assert journal._keeper.synced == journal._keeper.written

    async def test_a_disk_that_fails_to_sync_stops_new_calls_for_good(self, tmp_path: Path) -> None:
        """P2: after a failed sync the kernel may have dropped what we wrote: never ignored."""
        journal = Journal.open(
            tmp_path, clock=SystemClock(), ids=IDS, limits=SMALL, durability=Durability.POWER
        )
        call_id = IDS.new()
        journal.opened(an_opened(call_id), PRICE)
        unsyncable = os.open(os.devnull, os.O_RDWR)
        os.dup2(unsyncable, journal._keeper.active.descriptor)
        os.close(unsyncable)
        journal.settled(a_settled(call_id))
        for _ in range(2):
            with pytest.raises(JournalFull):
                await journal.durable()
            with pytest.raises(JournalFull):
                journal.opened(an_opened(IDS.new()), PRICE)
        with pytest.raises(OSError, match="Invalid argument"):
            journal.close()


class TestAKernelThatRefusesAWrite:
    async def test_costs_new_calls_a_503_and_open_ones_nothing(self, tmp_path: Path) -> None:
        """P2: what could not be written stays pending and is written when the disk is back."""
        clock = FakeClock()
        with closing(a_journal(tmp_path, clock=clock)) as journal:
            call_id, refused, accepted = (IDS.new() for _ in range(3))
            journal.opened(an_opened(call_id), PRICE)
            with refusing_writes(journal):
                for _ in range(2):
                    with pytest.raises(JournalFull):
                        journal.opened(an_opened(refused), PRICE)
                journal.settled(a_settled(call_id), PRICE)
                await asyncio.sleep(0)
                assert frame(a_settled(call_id)) not in on_file(journal)
            with pytest.raises(JournalFull):
                journal.opened(an_opened(refused), PRICE)  # not tried again at once
            clock.now_s += 2
            journal.opened(an_opened(accepted), PRICE)
            room = journal._pages.room
            journal.settled(a_settled(accepted), PRICE)
            assert room + PROMISE_BYTES - len(frame(a_settled(accepted))) == journal._pages.room
            path = journal.path
        assert {call_id, accepted} == settled_in(path).keys()


class TestWhoOwnsAFolder:
    def test_a_living_process_keeps_its_folder(self, tmp_path: Path) -> None:
        """P2: a second process cannot adopt what the first still writes."""
        with victim(tmp_path, seed=1) as (process, path):
            assert folder.adopt(path) is None
            process.kill()
            process.wait()
            lock = folder.adopt(path)
            assert lock is not None
            os.close(lock)

    def test_two_journals_never_share_a_folder(self, tmp_path: Path) -> None:
        """P2: one writer per file."""
        with closing(a_journal(tmp_path)) as one, closing(a_journal(tmp_path)) as other:
            assert one.path != other.path


def take_step(journal: Journal, kind: int, size: int, expected: dict[str, State]) -> None:
    """Do one thing that a gateway does, and note what the ledger must then say."""
    call_id = IDS.new()
    open_calls = [name for name, state in expected.items() if state is State.INTERRUPTED]
    record: Opened | Settled
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


@contextmanager
def refusing_writes(journal: Journal) -> Iterator[None]:
    """Let the kernel answer EBADF to every write, as it answers EIO on a broken disk."""
    descriptor = journal._keeper.active.descriptor
    kept, read_only = os.dup(descriptor), os.open(journal._keeper.active.path, os.O_RDONLY)
    os.dup2(read_only, descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(read_only)


@contextmanager
def small_disk(tmp_path: Path, size_kib: int) -> Iterator[Path]:
    """A disk of its own that fills up; needs root, as in CI."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={size_kib}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def exhaust(path: Path) -> None:
    with path.open("ab", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


@contextmanager
def victim(root: Path, seed: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process that journals until it is killed, and the folder it claimed."""
    script = Path(__file__).with_name("journal_victim.py")
    command = [sys.executable, str(script), str(root), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().split()[1].decode())
        finally:
            process.kill()
            process.stdout.close()
