"""Bills for tests: the files in bills/, and writers of the providers' shapes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from meterr.ledger.reconcile import anthropic, csv_bill, openai
from meterr.ledger.reconcile.days import Days, days_of
from meterr.ledger.reconcile.model import Bill, BillFile, Form, Measure

BILLS = Path(__file__).parent / "bills"
FIRST = date(2025, 8, 1)
END = date(2025, 8, 4)
NOW = datetime(2025, 9, 1, tzinfo=UTC)
DAY_S = 86_400
START_S = 1_754_006_400
READERS = {Form.OPENAI: openai.read, Form.ANTHROPIC: anthropic.read, Form.CSV: csv_bill.read}

Sums = dict[tuple[str, str, str], Decimal]


def days(tz: str = "UTC") -> Days:
    return days_of(FIRST, END, tz, NOW)


def bill(form: Form, text: str, *, allow_credits: bool = False, tz: str = "UTC") -> Bill:
    """Read a bill called ``bill.x``."""
    return READERS[form](BillFile("bill.x", text), days(tz), allow_credits=allow_credits)


def golden(form: Form, name: str) -> Bill:
    return bill(form, (BILLS / name).read_bytes().decode("utf-8-sig"))


def sums(found: Bill) -> Sums:
    """Return the bill's figures by day, name and measure."""
    total: Sums = {}
    for line in found.lines:
        key = line.day, line.name, line.measure.value
        total[key] = total.get(key, Decimal(0)) + line.amount
    return total


def usd(found: Bill, day: str) -> dict[str, Decimal]:
    """Return what a bill says about one day's money."""
    return {name: v for (at, name, m), v in sums(found).items() if (at, m) == (day, Measure.USD)}


class Raw(str):
    """Text that stands in the JSON as it is: a number that no float may touch."""

    __slots__ = ()


def to_json(value: Any) -> str:
    """Write JSON; a ``Raw`` keeps its digits."""
    match value:
        case Raw():
            return str(value)
        case dict():
            return "{" + ",".join(f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(to_json, value)) + "]"
        case _:
            return json.dumps(value)


def openai_cost(item: str | None, value: str, **more: Any) -> dict[str, Any]:
    return {
        "object": "organization.costs.result",
        "amount": {"value": Raw(value), "currency": "usd"},
        "line_item": item,
        "project_id": None,
        **more,
    }


def openai_bucket(
    results: Iterable[Mapping[str, Any]], *, start_s: int = START_S, length_s: int = DAY_S
) -> dict[str, Any]:
    return {
        "object": "bucket",
        "start_time": start_s,
        "end_time": start_s + length_s,
        "results": list(results),
    }


def openai_page(*buckets: Mapping[str, Any], more: bool = False, **fields: Any) -> dict[str, Any]:
    return {"object": "page", "data": list(buckets), "has_more": more, "next_page": None, **fields}


def anthropic_cost(model: str | None, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "currency": "USD",
        "cost_type": "tokens",
        "description": f"{model} Usage",
        "model": model,
        "service_tier": "standard",
        "workspace_id": None,
        **more,
    }


def anthropic_bucket(
    results: Iterable[Mapping[str, Any]], *, start_s: int = START_S, length_s: int = DAY_S
) -> dict[str, Any]:
    since = datetime.fromtimestamp(start_s, UTC)
    return {
        "starting_at": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ending_at": (since + timedelta(seconds=length_s)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "results": list(results),
    }


def anthropic_page(*buckets: Mapping[str, Any], more: bool = False) -> dict[str, Any]:
    return {"data": list(buckets), "has_more": more, "next_page": None}


def pages(found: Sequence[Any]) -> str:
    return "\n".join(map(to_json, found))
