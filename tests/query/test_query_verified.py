"""Questions that a person confirmed: rows of their tenant, and examples for the next question."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_samples import usage

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, NotFound
from meterr.core.ids import IdFactory
from meterr.identity import create_tenant
from meterr.query.language.likeness import likeness, most_alike
from meterr.query.language.verified import (
    QUESTIONS_MAX,
    VerifiedQuestion,
    examples_for,
    list_questions,
    remove_question,
    save_question,
)

SQL = "select sum(cost_usd) from usage.calls"
WORDS, CATALOGUE = usage()
IDS = IdFactory(SystemClock())


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as database:
        yield database


async def saved(db: Database, tenant_id: str, text: str, **more: str) -> VerifiedQuestion:
    values = {"sql": SQL, "author": "ada", **more}
    return await save_question(db, IDS, CATALOGUE, tenant_id, "usage", text, **values)


async def texts(db: Database, tenant_id: str) -> list[str]:
    return [each.question for each in await list_questions(db, tenant_id, "usage")]


async def test_a_saved_question_belongs_to_its_tenant(db: Database) -> None:
    """P4: another tenant neither sees nor removes it, and may save the same text."""
    ours, theirs = [(await create_tenant(db, IDS, name)).tenant_id for name in ("a", "b")]
    kept = await saved(db, ours, "What  did we\nspend?", intent='{"metric":\n "cost"}')
    assert ("What did we spend?", SQL, "ada") == (kept.question, kept.sql, kept.author)
    assert '{"metric":"cost"}' == kept.intent
    assert [] == await texts(db, theirs)
    with pytest.raises(NotFound):
        await remove_question(db, theirs, kept.question_id)
    await saved(db, theirs, "What did we spend?")
    assert ["What did we spend?"] == await texts(db, ours)


async def test_the_same_question_again_replaces_and_removing_forgets(db: Database) -> None:
    """One answer for each text; what was removed can be saved again."""
    tenant_id = (await create_tenant(db, IDS, "a")).tenant_id
    first = await saved(db, tenant_id, "Spend?")
    second = await saved(db, tenant_id, "Spend?", sql="select 1 as n", author="grace")
    assert first.question_id == second.question_id
    assert [second] == await list_questions(db, tenant_id, "usage")
    await remove_question(db, tenant_id, first.question_id)
    assert [] == await texts(db, tenant_id)
    with pytest.raises(NotFound):
        await remove_question(db, tenant_id, first.question_id)
    await saved(db, tenant_id, "Spend?")
    assert ["Spend?"] == await texts(db, tenant_id)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": "x" * 501},
        {"text": "a\0b"},
        {"text": "q", "sql": "drop table x"},
        {"text": "q", "sql": "select * from meterr.ledger_entry"},
        {"text": "q", "intent": '{"metric": "cost", "more": 1}'},
        {"text": "q", "intent": "x" * 4001},
        {"text": "q", "author": ""},
    ],
)
async def test_what_cannot_be_an_example_is_not_kept(db: Database, fields: dict[str, str]) -> None:
    """Only what the guard lets pass is saved: an example teaches nothing that would be refused."""
    tenant_id = (await create_tenant(db, IDS, "a")).tenant_id
    with pytest.raises(Invalid):
        await saved(db, tenant_id, **fields)
    assert [] == await texts(db, tenant_id)


async def test_no_such_question_is_not_found(db: Database) -> None:
    """An id that is none is not told apart from one that is not there."""
    tenant_id = (await create_tenant(db, IDS, "a")).tenant_id
    for wrong in ("x", "0199aaaa-0000-7000-8000-00000000000a"):
        with pytest.raises(NotFound):
            await remove_question(db, tenant_id, wrong)


async def test_there_is_an_end_to_how_many_are_kept(db: Database) -> None:
    """The search looks at each of them: 500, then one has to go; replacing still works."""
    tenant_id = (await create_tenant(db, IDS, "a")).tenant_id
    async with db.tenant_transaction(tenant_id) as connection:
        await connection.execute(
            "insert into meterr.verified_question (tenant_id, question_id, source, question, sql,"
            " author) select %s, gen_random_uuid(), 'usage', 'q' || n, 'select 1', 'a'"
            " from generate_series(1, %s) n",
            [tenant_id, QUESTIONS_MAX],
        )
    with pytest.raises(Invalid, match="500"):
        await saved(db, tenant_id, "one more")
    await saved(db, tenant_id, "q7")
    assert QUESTIONS_MAX == len(await texts(db, tenant_id))


def example(text: str) -> VerifiedQuestion:
    return VerifiedQuestion("id", "usage", text, "", SQL, "ada", 0)


def test_the_questions_most_alike_are_the_examples() -> None:
    """Local search by trigrams: other cases, orders and endings of words are found."""
    kept = [
        example("Cost per model last week"),
        example("How many keys expire this year?"),
        example("MODEL COSTS by week"),
        example("Which owner is the slowest?"),
        example("What is the cost of each model?"),
    ]
    found = examples_for("what do models cost per week?", kept)
    assert {
        "MODEL COSTS by week",
        "Cost per model last week",
        "What is the cost of each model?",
    } == {each.question for each in found}
    assert () == examples_for("zzz", kept)
    assert () == examples_for("???", kept)


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_a_share_and_has_no_direction(one: str, other: str) -> None:
    """Laws: 0 to 1, symmetric, case aside; a text with a letter is like itself."""
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one) == (1 if any(map(str.isalnum, one)) else likeness(one, one))


def test_of_equals_the_first_is_taken() -> None:
    """The same question finds the same examples every time."""
    assert [1, 2] == most_alike("ab", [1, 2, 3], lambda _: "ab", count=2, floor=0.1)
