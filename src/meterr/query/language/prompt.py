"""The messages for a model: our instructions, then what others wrote, as quoted data. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from meterr.query.language.likeness import likeness
from meterr.query.language.slips import Problem
from meterr.query.language.words import ColumnWords, Metric, RelationWords, Words

MARKER: Final = "meterr-question 1"
"""First line of what we send. The simulator knows by it that a question is asked of it."""

CATALOGUE_CHARS_MAX = 24_000
RELATIONS_MAX = 40
COLUMNS_MAX = 60
COMMENT_CHARS_MAX = 200
WORD_CHARS_MAX = 40
WORDS_MAX = 6
VALUES_MAX = 20
METRICS_MAX = 60
ANSWER_CHARS_MAX = 4_000
EXAMPLE_CHARS_MAX = 3_000
"""A longer example is left out: half a statement would teach nothing."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation with a model."""

    role: str  # system, user or assistant
    content: str


class Example(msgspec.Struct, frozen=True):
    """A question that a person confirmed, with its answer: JSON text of an intent, or SQL."""

    question: str
    intent: str = ""
    sql: str = ""


class Clarified(msgspec.Struct, frozen=True):
    """What was asked back, and what the person said to it."""

    asked: str
    said: str


def opening(
    instructions: str,
    question: str,
    words: Words,
    today: date,
    *,
    examples: Iterable[Example] = (),
    clarified: Clarified | None = None,
) -> tuple[Message, ...]:
    """
    Return the first messages: what is known of the data in words, and the question.

    Bounded: what is too long is cut, and of relations that do not all fit, those least like the
    question are left out. Never holds a row, a name of a tenant or a value that is not shareable.
    """
    parts = [
        MARKER,
        f"Today: {today.isoformat()} (UTC)",
        "Catalogue:",
        *_catalogue(words, question),
    ]
    told = [line for line in map(_example, examples) if len(line) <= EXAMPLE_CHARS_MAX]
    if told:
        parts += ["Earlier questions and their answers:", *told]
    parts.append(f"Question: {quoted(question)}")
    if clarified is not None:
        parts.append(f"You asked: {quoted(clarified.asked)}")
        parts.append(f"The person said: {quoted(clarified.said)}")
        parts.append("Do not ask again.")
    return Message("system", instructions), Message("user", "\n".join(parts))


def repair(answer: str, problem: Problem) -> tuple[Message, Message]:
    """Return what follows an answer that could not be used: itself, and the reason in our words."""
    told = (
        f"That could not be used ({problem.code}): {problem.sentence} Answer once more, corrected."
    )
    return Message("assistant", answer[:ANSWER_CHARS_MAX]), Message("user", told)


def quoted(text: str) -> str:
    """Return text as one line of JSON that no fence, line or quote can leave."""
    return msgspec.json.encode(_one_line(text)).decode()


def _one_line(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in text)
    return clean.replace("```", "'''")


def _example(example: Example) -> str:
    intent = f'{{"intent": {_one_line(example.intent)}}}'
    answer = intent if example.intent else f'{{"sql": {quoted(example.sql)}}}'
    return f"- {quoted(example.question)} -> {answer}"


def _catalogue(words: Words, question: str) -> list[str]:
    """Say metrics, joins and notes, then as many relations as there is room for."""
    head = [
        *(f"metric {line}" for line in map(_metric, words.metrics[:METRICS_MAX])),
        *(f"join {_line({'many': j.many, 'one': j.one, 'on': j.on})}" for j in words.joins),
        *(f"note {quoted(note[:COMMENT_CHARS_MAX])}" for note in words.notes[:WORDS_MAX]),
    ]
    room = CATALOGUE_CHARS_MAX - sum(map(len, head))
    kept: set[str] = set()
    for relation in _by_likeness(words.relations, question)[:RELATIONS_MAX]:
        room -= len(_relation(relation))
        if room < 0:
            break
        kept.add(relation.name)
    return [*(_relation(each) for each in words.relations if each.name in kept), *head]


def _by_likeness(relations: tuple[RelationWords, ...], question: str) -> list[RelationWords]:
    def alike(relation: RelationWords) -> float:
        about = " ".join([relation.name, relation.comment, *(c.name for c in relation.columns)])
        return likeness(question, about)

    return sorted(relations, key=alike, reverse=True)


def _relation(relation: RelationWords) -> str:
    head = {
        "name": f"{relation.schema}.{relation.name}",
        "time": relation.time,
        **_about(relation.comment, relation.synonyms),
    }
    lines = [_line(head), *(f"  {_column(column)}" for column in relation.columns[:COLUMNS_MAX])]
    return "relation " + "\n".join(lines)


def _column(column: ColumnWords) -> str:
    values = [value[:WORD_CHARS_MAX] for value in column.values[:VALUES_MAX]]
    return _line(
        {
            "column": column.name,
            "kind": column.kind,
            "unit": column.unit[:WORD_CHARS_MAX],
            "values": values,
            **_about(column.comment, column.synonyms),
        }
    )


def _metric(metric: Metric) -> str:
    over = [reading.relation for reading in metric.readings]
    expression = metric.readings[0].expression[:COMMENT_CHARS_MAX]
    return _line(
        {
            "name": metric.name,
            "unit": metric.unit[:WORD_CHARS_MAX],
            "over": over,
            "means": expression,
            **_about(metric.comment, metric.synonyms),
        }
    )


def _about(comment: str, synonyms: tuple[str, ...]) -> dict[str, object]:
    also = [synonym[:WORD_CHARS_MAX] for synonym in synonyms[:WORDS_MAX]]
    return {"comment": comment[:COMMENT_CHARS_MAX], "also": also}


def _line(fields: Mapping[str, object]) -> str:
    """Return what is not empty as one line of JSON."""
    said = {key: value for key, value in fields.items() if value}
    return _one_line(msgspec.json.encode(said).decode())
