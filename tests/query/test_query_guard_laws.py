"""Laws of the guard: it answers every text, always the same, and nothing is smuggled into it."""

import keyword

import pytest
from benign_questions import demo_catalogue, statements
from hypothesis import given, settings
from hypothesis import strategies as st

from meterr.query import Catalogue, Code, GuardedQuery, Refusal, guard

CATALOGUE = demo_catalogue()
BENIGN = [text for _, text in statements("benign")]
_SOUP = """
select from where group by order limit offset having union all except intersect with recursive as
( ) [ ] , . ; :: * + - / % ^ || -> ->> = <> < > ' " $$ $1 E' U&" -- /* */ null true 1 0.5 'a' "a"
calls orders c o model total cost_usd pg_sleep set_config lower count sum ctid xmin row_to_json
join left lateral on using natural cross values array row case when then else end in any exists not
between like is distinct over partition filter within grouping sets rollup cube window rows current
insert update delete into for returning copy explain set do $$x$$ cast interval date regclass xml
treat json_value json_table tablesample operator collate uescape fetch only merge default
"""
WORDS = [*_SOUP.split(), "\n", "\t", "\x00", "\ud800", "é", "𝒳", "\u202e", "\x1f", "`"]

HOSTILE_TAILS = [
    "; drop table calls", "; select 1", " for update", " limit $1", "; set role other",
    " limit pg_sleep(1)::int", " offset (select length(set_config('a', 'b', true)))", "\0; drop",
    " limit (select 1 from pg_class)", " /* */ ; commit; begin",
]  # fmt: skip
HOSTILE_PARTS = [
    "set_config('role', 'x', false)", "pg_sleep(1)", "(select rolname from pg_roles limit 1)",
    "query_to_xml('select 1', true, true, '')", "(select current_user)", "'calls'::regclass",
    "(select c from calls c)", "(calls).x", "$1", "mine.f(1)", "1 operator(mine.+) 1",
    "(select ctid from calls)", "(with x as (delete from calls returning 1) select 1)",
]  # fmt: skip


def check_answer(text: str) -> GuardedQuery | Refusal:
    verdict = guard(text, CATALOGUE)
    assert isinstance(verdict, GuardedQuery | Refusal)
    if isinstance(verdict, Refusal):
        assert verdict.code is not Code.NOT_UNDERSTOOD, text
        assert len(verdict.sentence) < 1_000
        if verdict.position is not None:
            assert 0 <= verdict.position.offset <= len(text)
            lines = text[: verdict.position.offset].split("\n")
            assert len(lines) == verdict.position.line
            assert len(lines[-1]) + 1 == verdict.position.column
    else:
        assert verdict.sql == text.encode()
        assert verdict.body in verdict.sql
    return verdict


@given(st.text(alphabet=st.characters(), max_size=300))
@settings(max_examples=300)
def test_any_text_gets_an_answer(text: str) -> None:
    """Issue 5: the guard never raises; surrogates, control characters and NUL among them."""
    check_answer(text)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_that_were_once_taken_for_text_get_an_answer(data: bytes) -> None:
    """A body decoded with surrogateescape or as Latin-1 arrives like this."""
    check_answer(data.decode("utf-8", "surrogateescape"))
    check_answer(data.decode("latin-1"))


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
@settings(max_examples=600)
def test_any_soup_of_words_gets_the_same_answer_twice(text: str) -> None:
    """Deterministic, and what was accepted is accepted again from its own bytes."""
    first = check_answer(text)
    assert first == check_answer(text)
    if isinstance(first, GuardedQuery):
        again = check_answer(first.sql.decode())
        assert again == first


@given(st.sampled_from(BENIGN), st.data())
@settings(max_examples=400)
def test_an_accepted_statement_with_something_cut_out_gets_an_answer(
    text: str, data: st.DataObject
) -> None:
    """Near misses reach deeper into the rules than soup does."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    check_answer(text[:start] + data.draw(st.sampled_from(WORDS)) + text[end:])


@pytest.mark.parametrize("tail", HOSTILE_TAILS)
def test_nothing_hostile_can_be_appended(tail: str) -> None:
    """Whatever was accepted before: with a hostile end it is refused."""
    for text in BENIGN:
        plain = text.rstrip("; \n")
        if "--" not in plain.rpartition("\n")[2] and not isinstance(check_answer(plain), Refusal):
            assert isinstance(check_answer(plain + tail), Refusal), plain + tail


@given(st.sampled_from(BENIGN), st.sampled_from(HOSTILE_PARTS), st.data())
@settings(max_examples=600)
def test_nothing_hostile_can_be_put_in_place_of_a_word(
    text: str, part: str, data: st.DataObject
) -> None:
    """At any word of an accepted statement that is neither text in quotes nor a comment."""
    places = [at for at, char in enumerate(text) if char in " ,(" and not inside(text, at)]
    if not places:
        return
    at = data.draw(st.sampled_from(places))
    for joined in (f"{text[: at + 1]}{part} {text[at + 1 :]}", f"{text[:at]}, {part} {text[at:]}"):
        assert isinstance(check_answer(joined), Refusal), joined


def inside(text: str, at: int) -> bool:
    """Return whether a place is, or could be, in quotes or in a comment."""
    before = text[:at]
    marks = ("'", '"', "$$", "$tag$")
    odd = any(before.count(mark) % 2 for mark in marks)
    return odd or any(mark in before for mark in ("--", "/*", "\\'"))


@pytest.mark.parametrize("word", [*keyword.kwlist, "", " ", ";", "\n"])
def test_what_is_no_sql_at_all_is_refused(word: str) -> None:
    """Nothing, and another language's words."""
    assert isinstance(check_answer(word), Refusal)


def test_an_empty_catalogue_still_answers_what_needs_no_table() -> None:
    """And nothing else."""
    empty = Catalogue([])
    assert isinstance(guard("select 1 + 1", empty), GuardedQuery)
    refusal = guard("select * from calls", empty)
    assert isinstance(refusal, Refusal)
    assert Code.UNKNOWN_TABLE is refusal.code
