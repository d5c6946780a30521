"""Frozen types of an answer, and the limits that every question is held to."""

from typing import Literal

import msgspec

Kind = Literal["number", "integer", "text", "boolean", "time", "date", "json"]
Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None


class AnswerColumn(msgspec.Struct, frozen=True):
    """A column of an answer. Names need not be different from each other."""

    name: str
    type: Kind


class Answer(msgspec.Struct, frozen=True):
    """
    What a question brought.

    Values are JSON's: decimals are strings, times are ISO 8601 in UTC, what JSON has no word for is
    the text that PostgreSQL writes. ``truncated``: there were more rows than these. ``sql`` is the
    text that ran, ``relations`` are the tables and views it named, sorted.
    """

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    truncated: bool
    sql: str
    relations: tuple[str, ...]


class Limits(msgspec.Struct, frozen=True):
    """
    What one question may take.

    ``timeout_s`` bounds its time in the server, ``cost_max`` what the server's planner expects it
    to cost (in the planner's own unit, about a page read in order), ``rows_max`` and ``bytes_max``
    its answer. ``at_once_max`` questions of one tenant run in one process, and
    ``everybody_max`` of all tenants.
    """

    timeout_s: float = 15
    cost_max: float = 5_000_000
    rows_max: int = 10_000
    bytes_max: int = 8 * 1024 * 1024
    at_once_max: int = 2
    everybody_max: int = 16
    work_mem_kib: int = 8 * 1024
