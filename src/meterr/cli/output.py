"""
Results on standard output: a table for people, tabs for pipes, JSON or CSV on demand.

CSV is opened in spreadsheets, which run a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab
or a carriage return as a formula; callers choose model names. Such text gets a leading apostrophe,
which spreadsheets take for "this is text"; numbers do not. JSON has every value as it is.
"""

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import click

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


class Format(StrEnum):
    """How a list is written."""

    AUTO = "auto"
    JSON = "json"
    CSV = "csv"


def choose(*, as_json: bool, as_csv: bool = False) -> Format:
    """Return the format that the options ask for."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    return Format.JSON if as_json else Format.CSV if as_csv else Format.AUTO


def write_list(
    schema: str,
    items: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format_: Format,
    **beside: Any,
) -> None:
    """
    Write a list.

    Args:
        schema: Name and version of the JSON form, e.g. ``meterr.keys/1``.
        items: The rows; money is already text, because JSON numbers are not exact.
        columns: What people and CSV see, in order; JSON has every field.
        format_: How to write it.
        beside: Further members of the JSON object.
    """
    if format_ is Format.JSON:
        click.echo(json.dumps({"schema": schema, "items": list(items), **beside}))
        return
    cell = _csv_cell if format_ is Format.CSV else _text
    rows = [[cell(item.get(column)) for column in columns] for item in items]
    if format_ is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([list(columns), *rows])
    elif sys.stdout.isatty():
        _write_aligned([[column.replace("_", " ") for column in columns], *rows])
    else:
        for row in rows:
            click.echo("\t".join(row))


def write_line(item: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Write one row of an endless list, tab-separated: its widths cannot be known."""
    click.echo("\t".join(_text(item.get(column)) for column in columns))


def note(text: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(text, err=True)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    # A name may hold anything printable; a control character must not reach a terminal.
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))


def _csv_cell(value: Any) -> str:
    text = _text(value)
    # A leading tab is no longer in the text: it was replaced with other control characters.
    starts = (text, str(value)) if value is not None else ()
    formula = any(each.startswith(_FORMULA_STARTS) for each in starts)
    return f"'{text}" if formula and not _NUMBER.fullmatch(text) else text


def _write_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    numeric = [all(_is_number(row[at]) for row in rows[1:]) for at in range(len(widths))]
    for position, row in enumerate(rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if position == 0 else line)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).isdigit()
