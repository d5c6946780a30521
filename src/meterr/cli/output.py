"""
Results on standard output: a table for people, tabs for pipes, JSON or CSV on demand.

CSV is opened in spreadsheets, which run a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab
or a carriage return as a formula; callers choose model names. Such text gets a leading apostrophe,
which spreadsheets take for "this is text"; numbers do not. Nothing here steers a terminal, which is
where files and pipes end, too: CSV keeps line ends, tabs and spaces of any width, a terminal only
the spaces. JSON has every value as it is.
"""

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import click

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LAYOUT = re.compile(r"(\r?\n|\t)|\r|[^\r\n\t]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?")


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
    _write_rows(columns, [[item.get(column) for column in columns] for item in items], format_)


def write_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    format_: Format,
    document: Mapping[str, Any],
) -> None:
    """
    Write rows whose columns need not have different names.

    Args:
        columns: The names, in order.
        rows: JSON values; objects and lists are shown as JSON.
        format_: How to write it.
        document: The JSON form, all of it.
    """
    if format_ is Format.JSON:
        click.echo(json.dumps(document))
        return
    _write_rows(columns, [[_flat(value) for value in row] for row in rows], format_)


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _write_rows(columns: Sequence[str], values: Sequence[Sequence[Any]], format_: Format) -> None:
    cell = _csv_cell if format_ is Format.CSV else _text
    rows = [[cell(value) for value in row] for row in values]
    if format_ is Format.CSV:
        head = [cell(column) for column in columns]
        csv.writer(sys.stdout, lineterminator="\n").writerows([head, *rows])
    elif sys.stdout.isatty():
        _write_aligned([[cell(column).replace("_", " ") for column in columns], *rows])
    else:
        for each in rows:
            click.echo("\t".join(each))


def write_line(item: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Write one row of an endless list, tab-separated: its widths cannot be known."""
    click.echo("\t".join(_text(item.get(column)) for column in columns))


def note(text: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(text, err=True)


def cleaned(text: str) -> str:
    """Return text of others as a terminal may get it: its lines, and nothing that steers."""
    return "\n".join(map(printable, text.splitlines()))


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def printable(text: str) -> str:
    """Return text of others as one line for a terminal: nothing in it steers, or ends the line."""
    if text.isprintable():
        return text
    return "".join(letter if _is_shown(letter) else "\ufffd" for letter in text)


def _text(value: Any) -> str:
    return printable(_plain(value))


def _is_shown(letter: str) -> bool:
    # Spaces of any width, and what joins letters and signs or keeps them apart.
    return letter.isprintable() or unicodedata.category(letter) == "Zs" or letter in "\u200c\u200d"


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""  # as psql's COPY writes it, and as readers take it
    whole = _plain(value)
    text = printable(whole) if sys.stdout.isatty() else _laid_out(whole)
    is_formula = whole.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(whole)
    return f"'{text}" if is_formula else text


def _laid_out(text: str) -> str:
    """Return text with its lines and tabs. A carriage return alone would overwrite its line."""
    return _LAYOUT.sub(lambda between: between[1] or printable(between[0]), text)


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
