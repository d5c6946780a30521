"""A bill as plain CSV, with a header of ours: for providers without a report that we know. Pure."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from io import StringIO

from meterr.core.errors import Invalid
from meterr.core.nearest import nearest
from meterr.ledger.reconcile.amount import amount_of, count_of
from meterr.ledger.reconcile.days import Days
from meterr.ledger.reconcile.lines import CREDIT
from meterr.ledger.reconcile.model import Bill, BillFile, Line, Measure

REQUIRED = ("date", "model", "cost_usd")
_COUNTS = {
    "input_tokens": Measure.PROMPT,
    "output_tokens": Measure.ANSWER,
    "requests": Measure.REQUESTS,
}
COLUMNS = (*REQUIRED, *_COUNTS)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read(file: BillFile, days: Days, *, allow_credits: bool) -> Bill:
    """
    Read ``date,model,cost_usd`` and any of ``input_tokens,output_tokens,requests``, in any order.

    RFC 4180, one line per day and model. ``input_tokens`` are all that went in, cached ones
    included. Raises ``Invalid`` naming file, line and column for everything else.
    """
    rows = _rows(file)
    header = next(rows, None)
    if header is None:
        raise file.fault("line 1", f"the file is empty; its header is {','.join(COLUMNS)}")
    names = _checked_header(file, header[1])
    lines: list[Line] = []
    below: list[Line] = []
    seen: dict[tuple[str, str, bool], int] = {}
    for number, cells in rows:
        row = _Row(file, number, dict(zip(names, cells, strict=False)))
        if len(cells) != len(names):
            raise row.fault("", f"has {len(cells)} fields, and the header has {len(names)}")
        day, model = row.day(days), row.model()
        usd = row.amount(allow_credits=allow_credits)
        before = seen.setdefault((day, model, usd < 0), number)
        if before != number:
            raise row.fault("model", f"{day} and {model[:60]!r} stand on line {before} already")
        (lines if usd >= 0 else below).append(Line(day, model, Measure.USD, usd))
        lines += (Line(day, model, _COUNTS[n], row.count(n)) for n in names if n in _COUNTS)
    measures = (Measure.USD, *(_COUNTS[name] for name in _COUNTS if name in names))
    return Bill(frozenset(day for day, *_ in seen), measures, tuple(lines), tuple(below))


class _Row:
    """One line; every reading of a cell names line and column when it fails."""

    def __init__(self, file: BillFile, number: int, cells: Mapping[str, str]) -> None:
        self._file = file
        self._number = number
        self._cells = cells

    def fault(self, column: str, problem: str) -> Invalid:
        place = f"line {self._number}" + (f", column {column}" if column else "")
        return self._file.fault(place, problem)

    def day(self, days: Days) -> str:
        text = self._cells["date"]
        try:
            day = date.fromisoformat(text).isoformat() if _DATE.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            raise self.fault("date", f"{text[:40]!r} is no date such as 2026-11-22")
        if day not in days.labels:
            raise self.fault("date", f"{day} is outside {days.told()}")
        return day

    def model(self) -> str:
        model = self._cells["model"].strip()
        if not model:
            raise self.fault("model", "is empty")
        return model

    def amount(self, *, allow_credits: bool) -> Decimal:
        try:
            amount = amount_of(self._cells["cost_usd"].strip())
        except ValueError as error:
            raise self.fault("cost_usd", str(error)) from None
        if amount < 0 and not allow_credits:
            raise self.fault("cost_usd", CREDIT)
        return amount

    def count(self, column: str) -> Decimal:
        try:
            return Decimal(count_of(self._cells[column].strip()))
        except ValueError as error:
            raise self.fault(column, str(error)) from None


def _rows(file: BillFile) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not blank, with the number that it begins on."""
    reader = csv.reader(StringIO(file.text, newline=""), strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise file.fault(f"line {begins}", f"broken CSV: {error}") from None
        if cells is None:
            return
        if cells:
            yield begins, cells
        begins = reader.line_num + 1


def _checked_header(file: BillFile, cells: Sequence[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    if names and names[0].startswith(("{", "[")):
        raise file.fault("line 1", "this is JSON: --provider openai or anthropic reads it")
    for name in names:
        if name not in COLUMNS:
            raise file.fault("line 1", f"unknown column {name[:40]!r}{nearest(name, COLUMNS)}")
        if names.count(name) > 1:
            raise file.fault("line 1", f"the column {name} stands twice")
    for name in REQUIRED:
        if name not in names:
            raise file.fault("line 1", f"the column {name} is missing; write {','.join(COLUMNS)}")
    return names
