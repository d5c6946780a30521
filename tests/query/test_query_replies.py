"""What a model says is read tolerantly where that is safe, and never guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.query.language.reply import REPLY_CHARS_MAX, Decline, Reply, read_reply
from meterr.query.language.slips import Problem

SQL = Reply(sql="select 1")
INTENT = Reply(intent=b'{"metric": "cost"}')


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ('```json\n{"sql": "select 1"}\n```', SQL),
        ('```\n{"sql": "select 1"}\n```', SQL),
        ('{"sql": "select 1"}', SQL),
        ('Of course {really}!\n{"sql": "select 1"}\nAnything else?', SQL),
        ('<think>{"sql": "select 2"}</think>{"sql": "select 1"}', SQL),
        ('```sql\nselect 1\n```', SQL),
        ('{"sql": "select 1"} and once more {"sql": "select 1"}', SQL),
        ('{"sql": "select 1", "intent": null, "note": "x"}', SQL),
        ('{"intent": {"metric": "cost"}}', INTENT),
        ('{"metric": "cost"}', INTENT),
        ('{"sql": "select \'}{\\"\'"}', Reply(sql="select '}{\"'")),
        ('{"ask": "Which one?"}', Reply(ask="Which one?")),
        ('{"ask": "\\u001b[31mWhich\\n one?\\u202e"}', Reply(ask="[31mWhich one?")),
        ('{"decline": "not_allowed"}', Reply(decline=Decline.NOT_ALLOWED)),
        ('{"decline": "because I say so"}', Reply(decline=Decline.NOT_HERE)),
    ],
)  # fmt: skip
def test_one_answer_is_found_in_what_models_wrap_around_it(text: str, reply: Reply) -> None:
    """Issue 5, item 5: one fenced JSON object, tolerant parsing."""
    assert reply == read_reply(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "answer-form"),
        ("I cannot do that.", "answer-form"),
        ('{"sql": "select 1",}', "answer-form"),
        ("{'sql': 'select 1'}", "answer-form"),
        ('{"sql": ""}', "answer-form"),
        ('{"sql": "select 1", "ask": "sure?"}', "answer-form"),
        ('{"sql": ["select 1"]}', "answer-form"),
        ('{"sql": "select 1"', "answer-form"),
        ("[" * 50_000, "answer-form"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "answer-form"),
        ('{"sql": "select 1"} {"sql": "select 2"}', "answer-many"),
        ("x" * (REPLY_CHARS_MAX + 1), "answer-long"),
    ],
)
def test_what_is_no_single_answer_is_a_problem(text: str, code: str) -> None:
    """Broken JSON is not mended, and of two answers none is taken."""
    problem = read_reply(text)
    assert isinstance(problem, Problem)
    assert code == problem.code


def test_a_question_back_is_cut() -> None:
    """What a model asks is shown to a person: as much as fits a line or two."""
    reply = read_reply('{"ask": "' + "x" * 5_000 + '"}')
    assert isinstance(reply, Reply)
    assert 300 == len(reply.ask or "")


@given(st.text(alphabet='{}"\\:,abc` \nsqlintent', max_size=300) | st.text(max_size=300))
def test_no_answer_makes_the_reader_raise(text: str) -> None:
    """Whatever a model says is a reply or a problem."""
    assert isinstance(read_reply(text), Reply | Problem)
