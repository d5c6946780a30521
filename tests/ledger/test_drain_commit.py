"""A commit whose answer never comes: the drain cannot know its outcome, and need not."""

from contextlib import closing
from pathlib import Path

import pytest
from cut_line import a_line
from drain_house import House
from journal_samples import PRICE, a_settled, an_opened

from meterr.core.outage import DatabaseUnavailable
from meterr.ledger.journal import Journal

CALLS = 20


def write(journal: Journal, house: House) -> set[str]:
    ids = {house.ids.new() for _ in range(CALLS)}
    for call_id in ids:
        journal.opened(an_opened(call_id), PRICE)
        journal.settled(a_settled(call_id), PRICE)
    return ids


@pytest.mark.parametrize(("when", "rows", "duplicates"), [("before", 2, 0), ("after", 1, 1)])
async def test_a_lost_answer_to_a_commit_costs_no_row_and_doubles_none(
    tmp_path: Path, database_url: str, admin_dsn: str, when: str, rows: int, duplicates: int
) -> None:
    """P2: the drain goes on from what it knows to be committed; PostgreSQL ignores the rest."""
    async with a_line(database_url) as (line, dsn):
        house = House(tmp_path, dsn, admin_dsn)
        with closing(house.journal()) as journal:
            async with house.drain() as drain:
                written = write(journal, house)
                await drain.drain_once()
                written |= write(journal, house)
                line.cut = when
                with pytest.raises(DatabaseUnavailable):
                    await drain.drain_once()
                assert CALLS == drain.report.rows
                assert CALLS * (1 + duplicates) == len(house.states())
                await drain.drain_once()
                assert (CALLS * rows, CALLS * duplicates) == (
                    drain.report.rows,
                    drain.report.duplicates,
                )
    assert dict.fromkeys(written, "settled") == house.states()
