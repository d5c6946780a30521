"""A provider's JSON: objects that know their place in the file. No number becomes a float. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from meterr.core.errors import Invalid
from meterr.core.nearest import nearest
from meterr.ledger.reconcile.amount import amount_of, count_of
from meterr.ledger.reconcile.model import BillFile

_SPACE = " \t\r\n"


class Number(str):
    """A JSON number as its text, told apart from a JSON string."""

    __slots__ = ()


class Node:
    """One JSON object, and the path to it. Every reading of a field names it when it fails."""

    def __init__(self, file: BillFile, path: str, fields: Mapping[str, Any]) -> None:
        self._file = file
        self.path = path
        self.fields = fields

    def place(self, name: str) -> str:
        """Return the path to a field."""
        return f"{self.path}.{name}" if self.path else name

    def fault(self, name: str, problem: str) -> Invalid:
        """Return the error about a field; ``name`` "" means the object itself."""
        return self._file.fault(self.place(name) if name else self.path or "the page", problem)

    def objects(self, name: str) -> list["Node"]:
        """Return the objects of a required array."""
        value = self._required(name)
        if not isinstance(value, list):
            raise self.fault(name, "must be an array")
        for at, each in enumerate(value):
            if not isinstance(each, dict):
                raise self.fault(f"{name}[{at}]", "must be an object")
        return [Node(self._file, self.place(f"{name}[{at}]"), e) for at, e in enumerate(value)]

    def child(self, name: str) -> "Node":
        """Return a required object."""
        value = self._required(name)
        if not isinstance(value, dict):
            raise self.fault(name, "must be an object")
        return Node(self._file, self.place(name), value)

    def text(self, name: str) -> str:
        """Return a required text."""
        self._required(name)
        text = self.optional_text(name)
        if text is None:
            raise self.fault(name, "must be a text that is not empty")
        return text

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None when it is missing, null or empty."""
        value = self.fields.get(name)
        if value is not None and (not isinstance(value, str) or isinstance(value, Number)):
            raise self.fault(name, "must be a text or null")
        return value.strip() or None if value else None

    def flag(self, name: str) -> bool:
        """Return a required true or false."""
        value = self._required(name)
        if not isinstance(value, bool):
            raise self.fault(name, "must be true or false")
        return value

    def amount(self, name: str) -> Decimal:
        """Return a required decimal, written as a number or as a text."""
        value = self._required(name)
        if not isinstance(value, str):
            raise self.fault(name, "must be a decimal number")
        try:
            return amount_of(value)
        except ValueError as error:
            raise self.fault(name, str(error)) from None

    def count(self, name: str) -> int:
        """Return a required whole number of at least 0."""
        self._required(name)
        count = self.optional_count(name)
        if count is None:
            raise self.fault(name, "must be a whole number of at least 0")
        return count

    def optional_count(self, name: str) -> int | None:
        """Return a whole number of at least 0, or None when it is missing or null."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            return count_of(value if isinstance(value, Number) else repr(value))
        except ValueError as error:
            raise self.fault(name, str(error)) from None

    def _required(self, name: str) -> Any:
        if name not in self.fields:
            raise self.fault(name, f"is missing{nearest(name, list(self.fields))}")
        return self.fields[name]


def pages_of(file: BillFile) -> list[Node]:
    """
    Return the pages of a file: one, an array of them, or several one after the other.

    Raises ``Invalid`` naming line and column for broken JSON, for what is no page, and for a last
    page that says another one follows.
    """
    values = list(_values(file))
    found = [page for each in values for page in (each if isinstance(each, list) else [each])]
    if not found:
        raise file.fault("line 1", "there is no page in it")
    pages = []
    for at, page in enumerate(found):
        path = f"page[{at}]" if len(found) > 1 else ""
        if not isinstance(page, dict):
            raise file.fault(path or "line 1", "must be a page as the provider's API returns it")
        pages.append(_checked(Node(file, path, page)))
    if pages[-1].flag("has_more"):
        raise pages[-1].fault(
            "has_more",
            "the file is incomplete: this is its last page, and the provider has more; add the "
            "next pages to the file, in order",
        )
    return pages


def _checked(page: Node) -> Node:
    if "error" in page.fields and "data" not in page.fields:
        raise page.fault("error", "this is an error that the API answered, not a report")
    page.objects("data")
    page.flag("has_more")
    return page


def _values(file: BillFile) -> Iterator[Any]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_once,
        parse_float=Number,
        parse_int=Number,
        parse_constant=_no_constant,
    )
    at = _skipped(file.text, 0)
    while at < len(file.text):
        try:
            value, end = decoder.raw_decode(file.text, at)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            hint = "" if file.text[at] in "{[" else "; is it CSV? --provider csv reads that"
            raise file.fault(place, f"broken JSON: {error.msg}{hint}") from None
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
            raise file.fault(_line(file.text, at), f"broken JSON: {reason}") from None
        yield value
        at = _skipped(file.text, end)


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _line(text: str, at: int) -> str:
    return f"in the value that begins on line {text.count(chr(10), 0, at) + 1}"


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice[:40]!r} stands twice in one object")
    return fields


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
