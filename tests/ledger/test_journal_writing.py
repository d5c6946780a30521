"""The journal's writing side: what is on file when, and what happens when there is no room."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from journal_house import IDS, SMALL, a_journal, on_file, victim
from journal_samples import (
    PRICE,
    FakeClock,
    a_settled,
    an_opened,
    settled_in,
)

from meterr.core.clock import SystemClock
from meterr.core.errors import Invalid
from meterr.ledger.journal import Durability, Journal, JournalFull, Limits, folder
from meterr.ledger.journal.limits import PROMISE_BYTES
from meterr.ledger.journal.record import frame
from meterr.ledger.model import State, Usage


class TestWhatIsOnFile:
    def test_an_opened_call_is_there_when_opened_returns(self, tmp_path: Path) -> None:
        """P2: the record is in the kernel before a byte leaves for the provider."""
        with closing(a_journal(tmp_path)) as journal:
            opened = an_opened(IDS.new())
            journal.opened(opened, PRICE)
            assert frame(opened) in on_file(journal)

    async def test_a_settled_call_is_there_when_settled_returns(self, tmp_path: Path) -> None:
        """P1: whoever is answered after it holds what the ledger says, whatever is killed next."""
        with closing(a_journal(tmp_path)) as journal:
            opened = an_opened(IDS.new())
            journal.opened(opened, PRICE)
            record = a_settled(opened.id)
            journal.settled(record, PRICE)
            assert frame(record) in on_file(journal)

    async def test_a_refused_call_is_there_when_the_turn_of_the_loop_ends(
        self, tmp_path: Path
    ) -> None:
        """P2, P9: a flood of refusals shares one write a turn."""
        with closing(a_journal(tmp_path)) as journal:
            records = [a_settled(IDS.new()) for _ in range(3)]
            for record in records:
                journal.settled(record, PRICE)
            assert not any(frame(record) in on_file(journal) for record in records)
            await asyncio.sleep(0)
            assert all(frame(record) in on_file(journal) for record in records)

    async def test_a_refused_call_is_written_along_with_the_next_opened(
        self, tmp_path: Path
    ) -> None:
        """P2: nothing stays in memory that could have gone with another write."""
        with closing(a_journal(tmp_path)) as journal:
            record = a_settled(IDS.new())
            journal.settled(record)
            journal.opened(an_opened(IDS.new()), PRICE)
            assert frame(record) in on_file(journal)

    def test_outside_a_loop_a_refused_call_is_there_at_once(self, tmp_path: Path) -> None:
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

    def test_a_refused_call_with_an_endless_model_name_is_cut(self, tmp_path: Path) -> None:
        """P2: a call that never left is entered too, whatever its caller put into it."""
        with closing(a_journal(tmp_path)) as journal:
            call_id = IDS.new()
            refused = {"state": State.REFUSED, "usage": None, "cost": None, "price": ""}
            journal.settled(a_settled(call_id, model="\x01" * 99_999, **refused))
            path = journal.path
        assert "\x01" * 40 == settled_in(path)[call_id].model

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
            assert journal.is_accepting
            with refusing_writes(journal):
                for _ in range(2):
                    with pytest.raises(JournalFull):
                        journal.opened(an_opened(refused), PRICE)
                journal.settled(a_settled(call_id), PRICE)
                await asyncio.sleep(0)
                assert frame(a_settled(call_id)) not in on_file(journal)
                assert not journal.is_accepting
            with pytest.raises(JournalFull):
                journal.opened(an_opened(refused), PRICE)  # not tried again at once
            clock.now_s += 2
            journal.opened(an_opened(accepted), PRICE)
            assert journal.is_accepting
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
