"""Prices in the journal: each segment defines what its records name, so it can be read alone."""

from collections.abc import Callable
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from drain_house import House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_house import IDS, a_journal
from journal_samples import PRICE, FakeClock, a_settled, an_opened
from msgspec.structs import replace

from meterr.ledger.journal import Journal, JournalFull, Limits, folder
from meterr.ledger.journal.record import SegmentBegan, parse
from meterr.ledger.model import Opened, Price, PriceDefined, Progress, Rate, Settled

WIDE = {name: Rate("2.5" + "0" * 150) for name in PRICE.rates}  # a definition of about 2 KiB
PRICES = [replace(PRICE, id=f"{number:032x}", rates=WIDE) for number in range(4)]
OLD_S = 61.0
LIMITS = Limits(segment_bytes=65_536, segment_age_s=60, total_bytes_max=1 << 20)

KINDS = ["open", "open", "settle", "refuse", "progress", "age"]
steps = st.tuples(st.sampled_from(KINDS), st.integers(0, 3000))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=120, max_size=250))
def test_every_segment_defines_a_price_before_the_first_record_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """P1, P2: whatever is given back or lost of the other segments, this one can be priced."""
    clock = FakeClock()
    open_calls: dict[str, Price] = {}
    root = tmp_path_factory.mktemp("prices")
    with closing(a_journal(root, LIMITS, clock)) as journal:
        for kind, number in steps:
            take_step(journal, clock, open_calls, kind, number)
            assert journal._pages.room >= 0
        for path in folder.segments(journal.path):
            assert [] == undefined_in(path)


@pytest.mark.parametrize("size", range(0, 3000, 97))
def test_a_call_that_begins_a_segment_takes_its_price_along(tmp_path: Path, size: int) -> None:
    """P2: wherever a segment ends, also between what was pending and the call itself."""
    with closing(a_journal(tmp_path)) as journal:
        journal.settled(a_settled(IDS.new(), price="", model="m" * size))
        for number in range(80):
            call_id = IDS.new()
            price = PRICES[number % 3]
            journal.opened(an_opened(call_id, price=price.id), price)
            journal.settled(a_settled(call_id, price=price.id, error="e" * 900))
        assert 1 < len(folder.segments(journal.path))
        assert [] == [
            fault for path in folder.segments(journal.path) for fault in undefined_in(path)
        ]


def test_a_call_whose_price_is_another_is_a_mistake_of_ours(tmp_path: Path) -> None:
    """P1: what is defined is what the record names."""
    with closing(a_journal(tmp_path)) as journal:
        journal.opened(an_opened(IDS.new()), PRICE)
        for price in (None, PRICES[0]):
            with pytest.raises(ValueError, match="hand it over"):
                journal.opened(an_opened(IDS.new()), price)


async def test_a_call_opened_after_a_segment_grew_old_is_priced_when_all_are_killed(
    tmp_path: Path, database_url: str, admin_dsn: str
) -> None:
    """P2: the next drain knows only the segments that are left, and that is enough."""
    clock = FakeClock()
    house = House(tmp_path, database_url, admin_dsn, clock=clock)
    journal = house.journal(Limits(segment_bytes=65_536, segment_age_s=60))
    settled = house.ids.new()
    journal.opened(an_opened(settled), PRICE)
    journal.settled(a_settled(settled), PRICE)
    journal._pages.extend(journal._pages.room + 1)
    clock.now_s += OLD_S
    journal._keeper.attention = True
    journal.opened(an_opened(house.ids.new(), request_bytes=400), PRICE)
    await house.drained()  # gives the first segment back, and is killed
    begun = [path for path in folder.segments(journal.path) if path.read_bytes()[0]]
    assert ["00000002.journal"] == [path.name for path in begun]
    journal.close()
    await house.drained()
    assert [
        ("settled", PRICE.id, Decimal("0.000375")),
        ("interrupted", PRICE.id, 100 * Decimal("2.5") / 1_000_000),
    ] == house.ledger("state", "price_id", "cost_usd")


def take_step(
    journal: Journal, clock: FakeClock, open_calls: dict[str, Price], kind: str, number: int
) -> None:
    """Do one thing that a gateway, or the time that passes, does to a journal."""
    price = PRICES[number % len(PRICES)]
    if kind == "age":
        clock.now_s += OLD_S
        journal._keeper.attention = True
    elif kind == "refuse":
        record = a_settled(IDS.new(), price=price.id, error="e" * number)
        is_taken(lambda: journal.settled(record, price))
    elif kind == "open" or not open_calls:
        call_id = IDS.new()
        if is_taken(lambda: journal.opened(an_opened(call_id, price=price.id), price)):
            open_calls[call_id] = price
    elif kind == "progress":
        journal.progress(Progress(id=next(iter(open_calls)), answer_chars=number))
    else:
        call_id = list(open_calls)[number % len(open_calls)]
        asked = open_calls.pop(call_id)
        used = price if number % 2 else asked
        record = a_settled(call_id, price=used.id, error="e" * number)
        journal.settled(record, None if used is asked else used)


def is_taken(act: Callable[[], None]) -> bool:
    with suppress(JournalFull):
        act()
        return True
    return False


def undefined_in(path: Path) -> list[Opened | Settled]:
    """Return the records of one segment that name a price it has not defined before them."""
    defined = {""}
    found = []
    for line in path.read_bytes().rstrip(b"\0").splitlines():
        record = parse(line)
        if isinstance(record, PriceDefined):
            defined.add(record.price.id)
        elif isinstance(record, Opened | Settled) and record.price not in defined:
            found.append(record)
        else:
            assert not isinstance(record, SegmentBegan) or defined == {""}
    return found
