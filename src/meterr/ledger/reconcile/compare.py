"""Theirs against ours, day by day and name by name. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

import msgspec

from meterr.core.money import EXACT
from meterr.ledger.reconcile.model import (
    COUNTED,
    IDS_SHOWN,
    WEB_SEARCH_LINE,
    Bill,
    Cause,
    Explanation,
    Group,
    Measure,
    Reconciliation,
    Row,
    Tolerance,
    Verdict,
)

Name = tuple[str, str]  # day, and model or line
_THOUSAND = Decimal(1_000)


def compare(
    bill: Bill, groups: Sequence[Group], days: Sequence[str], tolerance: Tolerance
) -> Reconciliation:
    """
    Return a row for each day, name and measure that either side knows.

    A name is what the bill's lines are called: a model, with its service tier where the bill has
    lines of their own for tiers. Rows that differ carry the causes of the entries behind them.
    """
    ours: dict[Name, list[Group]] = {}
    for group in _with_searches_apart(_with_price_changes(groups), bill):
        ours.setdefault((group.day, _name(group, bill)), []).append(group)
    theirs = _summed(bill)
    names = sorted({(day, name) for day, name, _ in theirs} | ours.keys())
    rows = [
        row
        for measure in bill.measures
        for name in names
        if (row := _row(name, measure, theirs.get((*name, measure)), ours.get(name, ()), tolerance))
    ]
    place = {name: at for at, name in enumerate(names)}
    rows.sort(key=lambda row: place[row.day, row.name])
    return Reconciliation(
        rows=tuple(rows),
        totals=tuple(_total(measure, rows, tolerance) for measure in bill.measures),
        credits=bill.credits,
        days_absent=tuple(day for day in days if day not in bill.days),
    )


def behind_explanations(
    found: Reconciliation, groups: Iterable[Group], bill: Bill
) -> tuple[list[Group], list[Group]]:
    """Return the groups whose entries are worth naming, and the others."""
    told = {(row.day, row.name) for row in found.rows if row.explanations}
    wanted: list[Group] = []
    others: list[Group] = []
    for group in groups:
        parts = _searches_apart(group, bill)
        (wanted if any((p.day, _name(p, bill)) in told for p in parts) else others).append(group)
    return wanted, others


def _name(group: Group, bill: Bill) -> str:
    return f"{group.model} ({group.context})" if group.context in bill.tiers else group.model


def _summed(bill: Bill) -> Mapping[tuple[str, str, Measure], Decimal]:
    sums: dict[tuple[str, str, Measure], Decimal] = {}
    for line in bill.lines:
        key = line.day, line.name, line.measure
        sums[key] = EXACT.add(sums.get(key, Decimal(0)), line.amount)
    return sums


def _row(
    name: Name,
    measure: Measure,
    theirs: Decimal | None,
    groups: Sequence[Group],
    tolerance: Tolerance,
) -> Row | None:
    ours = _amount(groups, measure)
    unpriced = any(Cause.UNPRICED in group.causes for group in groups)
    if measure is Measure.USD:
        known = theirs is not None or ours is not None or unpriced
    else:
        known = bool(theirs or ours)
    if not known:
        return None  # nothing of this class on either side
    difference = _difference(theirs, ours)
    return Row(
        *name,
        measure,
        theirs,
        ours,
        difference,
        _verdict(
            measure, theirs, difference, tolerance, unknown=measure is Measure.USD and unpriced
        ),
        tuple(_explanations(groups, measure)) if difference or unpriced else (),
    )


def _total(measure: Measure, rows: Iterable[Row], tolerance: Tolerance) -> Row:
    counted = [row for row in rows if row.measure is measure]
    theirs = _sum(row.theirs for row in counted)
    ours = _sum(row.ours for row in counted)
    difference = _difference(theirs, ours)
    unknown = any(row.verdict is Verdict.UNKNOWN for row in counted)
    verdict = _verdict(measure, theirs, difference, tolerance, unknown=unknown)
    return Row("", "", measure, theirs, ours, difference, verdict)


def _verdict(
    measure: Measure,
    theirs: Decimal | None,
    difference: Decimal,
    tolerance: Tolerance,
    *,
    unknown: bool,
) -> Verdict:
    if difference and not tolerance.allows(measure, theirs or Decimal(0), difference):
        return Verdict.DIFFERS
    if unknown:
        return Verdict.UNKNOWN
    return Verdict.WITHIN if difference else Verdict.EQUAL


def _explanations(groups: Sequence[Group], measure: Measure) -> Iterator[Explanation]:
    for cause in Cause:
        having = [group for group in groups if cause in group.causes]
        if having:
            ids = sorted({entry for group in having for entry in group.ids})
            yield Explanation(
                cause,
                sum(group.calls for group in having),
                _amount(having, measure),
                tuple(ids[:IDS_SHOWN]),
            )


def _amount(groups: Sequence[Group], measure: Measure) -> Decimal | None:
    if not groups:
        return None
    if measure is Measure.USD:
        return _sum(group.usd for group in groups)
    if measure is Measure.REQUESTS:
        return Decimal(sum(group.requests for group in groups))
    return Decimal(sum(group.counts[name] for group in groups for name in COUNTED[measure]))


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the exact sum of what is known; None when nothing is."""
    total: Decimal | None = None
    for amount in amounts:
        if amount is not None:
            total = EXACT.add(total or Decimal(0), amount)
    return total


def _difference(theirs: Decimal | None, ours: Decimal | None) -> Decimal:
    return EXACT.subtract(theirs or Decimal(0), ours or Decimal(0))


_PRICED_ALIKE = attrgetter("day", "model", "context")


def _with_price_changes(groups: Sequence[Group]) -> Iterator[Group]:
    """Mark what was priced by another version than the first of its day, model and tier."""
    for _, alike in groupby(sorted(groups, key=_PRICED_ALIKE), _PRICED_ALIKE):
        priced = sorted(alike, key=attrgetter("first_at"))
        first = next((group.price for group in priced if group.price), "")
        for group in priced:
            changed = group.price not in {"", first}
            causes = group.causes | {Cause.PRICE_CHANGED} if changed else group.causes
            yield msgspec.structs.replace(group, causes=causes)


def _with_searches_apart(groups: Iterable[Group], bill: Bill) -> Iterator[Group]:
    for group in groups:
        yield from _searches_apart(group, bill)


def _searches_apart(group: Group, bill: Bill) -> Iterator[Group]:
    """Split what web searches cost from the model that made them, as the bill does."""
    searches, rate = group.counts["web_search"], group.web_search_rate
    if not bill.web_search_apart or not searches or rate is None or group.usd is None:
        yield group
        return
    cost = EXACT.divide(EXACT.multiply(rate, Decimal(searches)), _THOUSAND)
    yield msgspec.structs.replace(group, usd=EXACT.subtract(group.usd, cost))
    yield msgspec.structs.replace(group, model=WEB_SEARCH_LINE, context="", usd=cost)
