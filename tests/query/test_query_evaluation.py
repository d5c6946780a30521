"""The evaluation itself, over the tests' own server: every question ends as it must."""

import asyncio
import re
from collections.abc import Iterator

import psycopg
import pytest
from evaluation import report
from evaluation.asked import FOLDER, all_questions
from evaluation.cassettes import HAND_WRITTEN, CassetteMiss, Player, file_of, read_takes
from evaluation.database import census, drop_asker, fill
from evaluation.judging import same
from evaluation.playing import Ended, Sitting, play

from meterr.query.language import Message

TAKES = read_takes(file_of(FOLDER / "cassettes", HAND_WRITTEN))


@pytest.fixture
def asked(admin_dsn: str) -> Iterator[list[Ended]]:
    """How every question of the evaluation ended, played from the files."""
    tenant_dsn = fill(admin_dsn)
    before = census(admin_dsn)
    sitting = Sitting(tenant_dsn)
    yield asyncio.run(play(sitting, all_questions(), lambda _: Player(HAND_WRITTEN, TAKES)))
    assert before == census(admin_dsn)
    drop_asker(admin_dsn)


def test_every_question_ends_as_it_must_and_no_foreign_row_is_seen(asked: list[Ended]) -> None:
    """Issue 5, item 8: from cassettes alone; nothing changed, nothing of another tenant."""
    assert [] == report.unexpected(asked)
    assert [] == [each.asked.id for each in asked if each.foreign]


def test_the_page_has_these_figures_and_says_what_they_are_not(asked: list[Ended]) -> None:
    """docs/explanation/questions.md: figures that a test reads cannot go stale."""
    page = (FOLDER.parent / "docs/explanation/questions.md").read_text()
    table = report.table(asked, HAND_WRITTEN, unchanged=True)
    rows = [line for line in table.splitlines() if "unclear" not in line]
    figures = re.findall(r"\d+ of \d+", "\n".join(rows))
    assert [] == [each for each in figures if each not in page]
    assert f"{len(asked)} questions" in page
    assert "say nothing about any real model" in " ".join(page.split())


def test_the_questions_are_enough_and_of_every_kind() -> None:
    """Issue 5, item 8: at least 80, over both sources, with every kind of trouble."""
    questions = all_questions()
    assert 80 <= len(questions)
    assert {"usage", "shop"} == {each.source for each in questions}
    kinds = [each.kind for each in questions]
    for kind in ("cross-tenant", "change", "injection", "ambiguous", "unanswerable", "clumsy"):
        assert 5 <= kinds.count(kind), kind


def test_every_take_says_that_a_person_wrote_it() -> None:
    """No claim about a real model: nothing in this file is called recorded, or used by nobody."""
    assert {"hand-written"} == {take.origin for take in TAKES.values()}
    assert {each.id for each in all_questions()} == {take.question for take in TAKES.values()}
    assert "nothing about any real model" in report.table([], HAND_WRITTEN, unchanged=True)


async def test_an_answer_that_is_not_on_file_is_a_miss() -> None:
    """Issue 5, item 8: a miss fails; it is never asked of anybody by surprise."""
    with pytest.raises(CassetteMiss):
        await Player(HAND_WRITTEN, TAKES).complete([Message("user", "new")])


def test_the_other_tenants_rows_are_there_to_be_seen(admin_dsn: str) -> None:
    """Without foreign rows in the tables, seeing none would prove nothing."""
    tenant_dsn = fill(admin_dsn)
    statement = "select count(*), count(*) filter (where country like 'rival%') from shop.customers"
    with psycopg.connect(admin_dsn) as all_seeing, psycopg.connect(tenant_dsn) as tenant:
        assert (160, 80) == all_seeing.execute(statement).fetchone()
        assert (80, 0) == tenant.execute(statement).fetchone()
    drop_asker(admin_dsn)


@pytest.mark.parametrize(
    ("answer", "gold", "ordered", "equal"),
    [
        ([[1, "a"], [2, "b"]], [["b", 2], ["a", 1]], False, True),
        ([[1, "a"], [2, "b"]], [["b", 2], ["a", 1]], True, False),
        ([["1.50"]], [["1.5000"]], False, True),
        ([["x", 1, 9]], [[1]], False, True),
        ([[1], [1]], [[1]], False, False),
        ([[1, 2], [2, 1]], [[1, 1], [2, 2]], False, False),
        ([], [], False, True),
        ([[None]], [[0]], False, False),
        ([[True]], [[1]], False, False),
    ],
)
def test_results_are_compared_by_what_they_hold(answer, gold, ordered: bool, equal: bool) -> None:
    """Names, order of columns and further columns do not matter; rows and values do."""
    assert equal == same(answer, gold, ordered=ordered)
