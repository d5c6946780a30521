"""Why a statement is not run: a stable code, a place in the text, a sentence that helps. Pure."""

import difflib
from collections.abc import Iterable
from enum import StrEnum
from itertools import takewhile
from operator import eq
from typing import NoReturn

import msgspec

# As much of the caller's own text as a sentence repeats: names, never whole literals.
_ECHO_CHARS_MAX = 64
_COMPARED_MAX = 100


class Code(StrEnum):
    """The codes are API: docs/explanation/query-guard.md has a line for each."""

    EMPTY = "empty"
    TOO_LONG = "too-long"
    TOO_DEEP = "too-deep"
    TOO_LARGE = "too-large"
    NOT_TEXT = "not-text"
    UNICODE_ESCAPE = "unicode-escape"
    SYNTAX = "syntax"
    MANY_STATEMENTS = "many-statements"
    NOT_A_SELECT = "not-a-select"
    SELECT_INTO = "select-into"
    ROW_LOCK = "row-lock"
    WRITING_CTE = "writing-cte"
    PARAMETER = "parameter"
    CONSTRUCT = "construct"
    FUNCTION = "function"
    FUNCTION_ARGUMENT = "function-argument"
    OPERATOR = "operator"
    TYPE = "type"
    COLLATION = "collation"
    SESSION_VALUE = "session-value"
    UNKNOWN_TABLE = "unknown-table"
    DUPLICATE_TABLE = "duplicate-table"
    TABLE_ORDER = "table-order"
    UNKNOWN_COLUMN = "unknown-column"
    SYSTEM_COLUMN = "system-column"
    WHOLE_ROW = "whole-row"
    ATTRIBUTE_NOTATION = "attribute-notation"
    HIDDEN_COLUMNS = "hidden-columns"
    NOT_UNDERSTOOD = "not-understood"


class Position(msgspec.Struct, frozen=True):
    """A place in the original text. ``offset`` counts characters from 0, line and column from 1."""

    offset: int
    line: int
    column: int


class Refusal(msgspec.Struct, frozen=True):
    """
    The statement was judged and will not run.

    ``sentence`` is for a person: what is wrong and the way out. It repeats at most a few names of
    the caller's own text, each cut to 64 characters, and nothing else that is not in the catalogue.
    """

    code: Code
    sentence: str
    position: Position | None = None


class Refused(Exception):
    """Carries a refusal out of the rules, to ``guard``; ``at`` is a byte offset, -1 if unknown."""

    def __init__(self, code: Code, sentence: str, at: int = -1) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.at = at


def refuse(code: Code, sentence: str, at: int = -1) -> NoReturn:
    """End the judgement here."""
    raise Refused(code, sentence, at)


def echo(name: str) -> str:
    """Return a name as a sentence may show it: on one line, cut to 64 characters."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return shown if len(shown) <= _ECHO_CHARS_MAX else shown[:_ECHO_CHARS_MAX] + "…"


def nearest(name: str, names: Iterable[str], count: int = 1) -> list[str]:
    """
    Return the names that may have been meant, nearest first.

    Only names of about this length that begin or end alike are compared: a refusal must not cost
    more than the judgement, and comparing all of them costs milliseconds.
    """
    name = name[:_ECHO_CHARS_MAX]
    alike = {
        each
        for each in names
        if abs(len(each) - len(name)) <= 3 and (each[:1] == name[:1] or each[-2:] == name[-2:])
    }
    if len(alike) > _COMPARED_MAX:
        alike = set(sorted(alike, key=lambda each: _unlike(name, each))[:_COMPARED_MAX])
    return difflib.get_close_matches(name, sorted(alike), n=count)


def _unlike(name: str, other: str) -> tuple[int, str]:
    """Order names by how much they begin and end alike, most first."""
    return -_alike(name, other) - _alike(name[::-1], other[::-1]), other


def _alike(name: str, other: str) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, name, other)))


def position_of(sql: bytes, at: int) -> Position | None:
    """Turn a byte offset into a place of the text; None when ``at`` lies outside of it."""
    if not 0 <= at <= len(sql):
        return None
    before = sql[:at].decode("utf-8", "ignore")
    line_start = before.rfind("\n") + 1
    return Position(len(before), before.count("\n") + 1, len(before) - line_start + 1)
