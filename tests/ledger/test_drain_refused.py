"""What PostgreSQL refuses: repaired so that the call has its entry, or kept and offered again."""

from decimal import Decimal
from pathlib import Path

import pytest
from drain_house import House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_samples import PRICE, a_settled, an_opened

from meterr.core.outage import DatabaseUnavailable
from meterr.ledger.journal import Notice, folder, refused
from meterr.ledger.journal.repair import RECORD_CLEANED, cleaned
from meterr.ledger.model import Price, Rate, Settled, State, Usage

TEXTS = (
    "surface", "upstream", "provider", "model", "answered_model", "outcome", "error", "estimate",
    "provider_request_id",
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, database_url: str, admin_dsn: str) -> House:
    return House(tmp_path, database_url, admin_dsn)


async def drained(house: House, *records: Settled) -> None:
    journal = house.journal()
    for record in records:
        journal.settled(record, PRICE if record.price == PRICE.id else None)
    journal.flush()
    journal.close()
    await house.drained()


def rejected_files(house: House) -> list[Path]:
    place = house.root / folder.REJECTED
    return sorted(place.iterdir()) if place.exists() else []


class TestATextWithNul:
    @pytest.mark.parametrize("name", TEXTS)
    async def test_is_entered_with_a_replacement_in_its_place(
        self, house: House, name: str
    ) -> None:
        """P2: a provider chooses these texts, and no choice of its costs us the entry."""
        await drained(house, a_settled(house.ids.new(), **{name: "a\0\tb"}))
        assert [("a\ufffd\tb", Decimal("0.000375"))] == house.ledger(name, "cost_usd")
        assert ([], []) == (house.heard, rejected_files(house))

    async def test_of_an_interrupted_call_does_not_keep_it_open(self, house: House) -> None:
        """P2: the model that a caller asked for is such a text too."""
        journal = house.journal()
        journal.opened(an_opened(house.ids.new(), model="gpt\0"), PRICE)
        journal.close()
        await house.drained()
        assert [("gpt\ufffd", "interrupted")] == house.ledger("model", "state")


class TestAnEntryThatPostgresqlRefuses:
    @pytest.mark.parametrize(
        "changes",
        [
            {"usage": Usage(input=-1)},
            {"usage": Usage(output=2**63)},
            {"cost": "1" * 30},
            {"cost": "-1"},
            {"cost": "much"},
            {"state": State.REFUSED},
            {"status": 2**40},
            {"duration_ms": -1},
            {"answer_bytes": 2**63},
        ],
        ids=str,
    )
    async def test_is_entered_without_what_cannot_be(
        self, house: House, changes: dict[str, object]
    ) -> None:
        """P2: every call that left has an entry, and a figure that cannot be is unknown."""
        good = a_settled(house.ids.new())
        odd = a_settled(house.ids.new(), **changes)
        await drained(house, good, odd)
        rows = house.ledger("id::text", "error", "usage_known", "cost_usd is null")
        is_figure = bool(changes.keys() & {"usage", "cost", "state"})
        assert [
            (good.id, "", True, False),
            (odd.id, RECORD_CLEANED, "usage" not in changes, is_figure),
        ] == rows
        ((notice, fields),) = house.heard
        assert (Notice.CLEANED, odd.id) == (notice, fields["id"])
        assert [] == rejected_files(house)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.integers(-(2**63), 2**64 - 1),
        st.sampled_from([None, "0", "1e19", "1e20", "-1", "NaN", "Infinity", "x", ""]),
        st.text(max_size=20),
        st.sampled_from([State.SETTLED, State.INTERRUPTED, State.REFUSED]),
    )
    async def test_is_never_refused_again_once_it_is_cleaned(
        self, house: House, count: int, cost: str | None, text: str, state: State
    ) -> None:
        """P2: whatever a record says, there is a form of it that goes in."""
        odd = a_settled(
            house.ids.new(),
            usage=Usage(input=count),
            cost=cost,
            state=state,
            status=count,
            request_bytes=count,
            **dict.fromkeys(TEXTS, text),
        )
        before = len(house.states())
        await drained(house, cleaned(odd))
        assert before + 1 == len(house.states())
        assert [] == house.heard

    def test_keeps_what_can_be_read_of_its_texts(self) -> None:
        """P2: cleaning for one fault does not cost all other letters."""
        odd = a_settled("01990000-0000-7000-8000-000000000009", answered_model="\x01é€\ufffe\ud800")
        assert "?é€??" == cleaned(odd).answered_model


class TestARejectedRecord:
    async def test_goes_in_at_a_later_start_once_postgresql_takes_it(self, house: House) -> None:
        """P2: what was set aside by an older meterr finds its way back by itself, once."""
        was_refused = a_settled(house.ids.new(), error="a\0b")
        again = a_settled(house.ids.new(), usage=Usage(input=-1))
        hopeless = a_settled(house.ids.new(), tenant="nobody")
        for record in (was_refused, hopeless, again, was_refused):
            refused.keep(house.root, "p", record, "as it was then")
        await house.drained()
        assert {was_refused.id, again.id} == house.states().keys()
        (file,) = rejected_files(house)
        assert 1 == len(file.read_bytes().splitlines())
        before = file.read_bytes()
        await house.drained()
        assert before == file.read_bytes()
        assert 2 == len(house.states())

    async def test_that_went_in_leaves_no_file(self, house: House) -> None:
        """P10: what is done asks for nobody's attention."""
        for _ in range(3):
            refused.keep(house.root, "p", a_settled(house.ids.new()), "as it was then")
        drain = await house.drained()
        assert ([], 3) == (rejected_files(house), drain.report.rows)

    async def test_is_offered_once_in_a_life(self, house: House) -> None:
        """P9: what is refused again does not cost a transaction ten times a second."""
        async with house.drain() as drain:
            await drain.drain_once()
            refused.keep(house.root, "p", a_settled(house.ids.new()), "as it was then")
            assert 0 == await drain.drain_once()
        assert 1 == len(rejected_files(house))

    async def test_stays_when_it_cannot_be_read(self, house: House) -> None:
        """P2: a line that is damaged is neither inserted nor deleted."""
        file = refused.keep(house.root, "p", a_settled(house.ids.new()), "as it was then")
        whole = file.read_bytes()
        file.write_bytes(b"scribble\n" + whole + whole[:40])
        await house.drained()
        assert 1 == len(house.states())
        assert b"scribble\n" + whole[:40] == file.read_bytes()

    async def test_may_be_a_price(self, house: House) -> None:
        """P1: the terms that entries name come after them, rather than never."""
        odd = Price("p1", "openai", "m\0", "exact", "t", "standard", {"input": Rate("1")})
        journal = house.journal()
        journal.opened(an_opened(house.ids.new(), price="p1"), odd)
        journal.close()
        await house.drained()
        (file,) = rejected_files(house)
        before = file.read_bytes()
        await house.drained()
        assert before == file.read_bytes()

    async def test_waits_with_the_rest_when_postgresql_is_away(self, house: House) -> None:
        """P2: an outage at the start takes nothing out of the folder."""
        file = refused.keep(house.root, "p", a_settled(house.ids.new()), "as it was then")
        nobody = House(house.root, "host=/nonexistent dbname=meterr user=meterr", "")
        with pytest.raises(DatabaseUnavailable):
            await nobody.drained()
        assert [file] == rejected_files(house)
        await house.drained()
        assert ([], 1) == (rejected_files(house), len(house.states()))
