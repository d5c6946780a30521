"""Laws of reading and comparing bills, over whatever hypothesis thinks of."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ledger.bill_samples import (
    DAY_S,
    START_S,
    anthropic_bucket,
    anthropic_cost,
    anthropic_page,
    bill,
    openai_bucket,
    openai_cost,
    openai_page,
    pages,
    sums,
)
from meterr.core.errors import Invalid
from meterr.core.money import wire
from meterr.ledger.reconcile import Tolerance
from meterr.ledger.reconcile.compare import compare
from meterr.ledger.reconcile.model import COUNTED, Bill, Cause, Form, Group, Line, Measure, Verdict

DAYS = ("2025-08-01", "2025-08-02", "2025-08-03")
amounts = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=18)
models = st.sampled_from(["gpt-4o-2024-08-06", "o3", "o3-mini", "text-embedding-3-small"])
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30
)
figures = st.dictionaries(
    st.tuples(st.sampled_from(DAYS), models), amounts, min_size=1, max_size=12
)


def split(data: st.DataObject, parts: Sequence[Any]) -> list[list[Any]]:
    """Cut a sequence into runs, at places that hypothesis chooses."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(parts)), max_size=5)))
    edges = [0, *cuts, len(parts)]
    return [list(parts[a:b]) for a, b in pairwise(edges)]


@given(figures, st.data())
def test_any_split_of_the_days_into_pages_gives_the_same_sums(
    billed: dict[tuple[str, str], Decimal], data: st.DataObject
) -> None:
    """How a provider pages its report says nothing about what it billed."""
    items = [
        openai_bucket(
            [openai_cost(f"{model}, input", wire(amount), project_id=f"p{at}")],
            start_s=START_S + DAYS.index(day) * DAY_S,
        )
        for at, ((day, model), amount) in enumerate(billed.items())
    ]
    runs = split(data, items)
    several = [openai_page(*run, more=at < len(runs) - 1) for at, run in enumerate(runs)]

    expected = {(day, model, "usd"): amount for (day, model), amount in billed.items()}
    assert expected == sums(bill(Form.OPENAI, pages(several)))
    assert expected == sums(
        bill(Form.OPENAI, "[" + ",".join(map(pages, ([p] for p in several))) + "]")
    )


@given(st.lists(amounts, min_size=1, max_size=24))
def test_any_split_of_a_day_into_hours_and_lines_gives_the_same_sum(parts: list[Decimal]) -> None:
    """Buckets and line items are only ways of writing one day's cost of a model."""
    hours = [
        anthropic_bucket(
            [anthropic_cost("c", wire(parts[at]))] if at < len(parts) else [],
            start_s=START_S + at * 3600,
            length_s=3600,
        )
        for at in range(24)
    ]
    lines = [
        anthropic_cost("c", wire(part), workspace_id=f"w{at}") for at, part in enumerate(parts)
    ]
    by_hour = sums(bill(Form.ANTHROPIC, pages([anthropic_page(*hours)])))
    by_line = sums(bill(Form.ANTHROPIC, pages([anthropic_page(anthropic_bucket(lines))])))

    assert {("2025-08-01", "c", "usd"): sum(parts, Decimal(0)) / 100} == by_hour == by_line


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(DAYS), names.filter(lambda text: text == text.strip() != "")),
        st.tuples(amounts, st.integers(0, 10**15)),
        max_size=12,
    ),
    st.permutations(["date", "model", "cost_usd", "output_tokens"]),
)
def test_what_a_writer_of_csv_wrote_is_read(
    billed: dict[tuple[str, str], tuple[Decimal, int]], header: list[str]
) -> None:
    """Round trip through the standard library's writer, whatever the models are called."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header)
    writer.writeheader()
    for (day, model), (usd, tokens) in billed.items():
        writer.writerow({"date": day, "model": model, "cost_usd": usd, "output_tokens": tokens})

    expected = {(*key, "usd"): usd for key, (usd, _) in billed.items()}
    expected |= {(*key, "output_tokens"): Decimal(n) for key, (_, n) in billed.items()}
    assert expected == sums(bill(Form.CSV, out.getvalue()))


def is_answered(form: Form, text: str) -> bool:
    """Return whether a text gives a bill, or an error of ours that names the file."""
    try:
        return isinstance(bill(form, text), Bill)
    except Invalid as refused:
        return refused.detail.startswith("bill.x: ")


@given(st.text(max_size=200), st.sampled_from(list(Form)))
def test_no_text_breaks_a_reader(text: str, form: Form) -> None:
    """Whatever the file holds: a bill, or an error that names the file."""
    assert is_answered(form, text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("usd"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "results", "amount", "currency", "start_time", "model", "object"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from([Form.OPENAI, Form.ANTHROPIC]))
def test_no_json_breaks_a_reader(value: object, form: Form) -> None:
    """Fields of any type in any place: a bill, or an error that names the file."""
    page: dict[str, Any] = {"object": "page", "data": [{"results": [value]}], "has_more": False}
    for text in (pages([value]), pages([page | {"data": value}]), pages([page])):
        assert is_answered(form, text)


def group(day: str, model: str, usd: Decimal | None) -> Group:
    return Group(
        day=day, model=model, price="p", context="standard", causes=frozenset(), calls=1,
        requests=1, first_at=0, usd=usd, counts={"web_search": 0},
    )  # fmt: skip


@given(figures, figures, amounts)
def test_rows_and_totals_conserve_both_sides(
    theirs: dict[tuple[str, str], Decimal],
    ours: dict[tuple[str, str], Decimal],
    tolerance: Decimal,
) -> None:
    """Every figure of either side is in exactly one row, and every row in the total."""
    billed = Bill(
        days=frozenset(DAYS),
        measures=(Measure.USD,),
        lines=tuple(Line(*key, Measure.USD, amount) for key, amount in theirs.items()),
    )
    groups = [group(*key, usd) for key, usd in ours.items()]
    found = compare(billed, groups, DAYS, Tolerance(usd=tolerance))

    assert theirs.keys() | ours.keys() == {(row.day, row.name) for row in found.rows}
    assert len(found.rows) == len({(row.day, row.name) for row in found.rows})
    for row in found.rows:
        assert theirs.get((row.day, row.name)) == row.theirs
        assert ours.get((row.day, row.name)) == row.ours
        assert (row.theirs or 0) - (row.ours or 0) == row.difference
        assert (abs(row.difference) > tolerance) is (row.verdict == "differs")
    (total,) = found.totals
    assert (sum(theirs.values()), sum(ours.values())) == (total.theirs, total.ours)
    assert (sum(row.difference for row in found.rows)) == total.difference


@given(st.sampled_from([None, "0", "0.01", "0.02"]))
def test_what_is_unknown_is_never_equal_to_nothing(billed: str | None) -> None:
    """P7: calls without a known cost agree with no bill, within no tolerance."""
    day, model = "2026-11-01", "kimi"
    group = Group(
        day=day,
        model=model,
        price="",
        context="",
        causes=frozenset({Cause.UNPRICED}),
        calls=7,
        requests=7,
        first_at=0.0,
        usd=None,
        counts={name: 0 for names in COUNTED.values() for name in names},
    )
    lines = () if billed is None else (Line(day, model, Measure.USD, Decimal(billed)),)
    told = Bill(frozenset({day}), (Measure.USD,), lines)
    found = compare(told, [group], [day], Tolerance(usd=Decimal("0.01")))

    verdict = Verdict.DIFFERS if billed == "0.02" else Verdict.UNKNOWN
    assert [verdict, verdict] == [row.verdict for row in (*found.rows, *found.totals)]
    assert found.differs


def test_the_priced_part_of_a_row_does_not_vouch_for_the_rest() -> None:
    """P2: the bill fits the calls whose cost is known; what the others cost nobody knows."""
    day, model = "2026-11-20", "kimi-k2.5"
    counts = {name: 0 for names in COUNTED.values() for name in names}
    priced = Group(
        day=day,
        model=model,
        price="p",
        context="",
        causes=frozenset(),
        calls=2,
        requests=2,
        first_at=0.0,
        usd=Decimal(3),
        counts=counts,
    )
    unknown = msgspec.structs.replace(
        priced, price="", causes=frozenset({Cause.UNPRICED}), usd=None, first_at=1.0
    )
    told = Bill(frozenset({day}), (Measure.USD,), (Line(day, model, Measure.USD, Decimal(3)),))
    for groups, verdict in (([priced], Verdict.EQUAL), ([priced, unknown], Verdict.UNKNOWN)):
        found = compare(told, groups, [day], Tolerance())
        assert [verdict, verdict] == [row.verdict for row in (*found.rows, *found.totals)]
