"""Stretches of time that a provider's report is made of, checked against the days. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from meterr.ledger.reconcile.days import Days, covered, overlap
from meterr.ledger.reconcile.document import Node, Number

Stretch = tuple[datetime, datetime]


class Result(msgspec.Struct, frozen=True):
    """One result of a report and the day it counts for."""

    day: str
    node: Node


class Report(msgspec.Struct, frozen=True):
    """All results of all pages, and the days they are about."""

    days: frozenset[str]
    results: tuple[Result, ...]


def report_of(pages: Iterable[Node], days: Days, stretch_of: Callable[[Node], Stretch]) -> Report:
    """
    Return the results of the pages' buckets by day.

    Buckets may be shorter than a day. Raises ``Invalid`` for one outside the days or across the
    edge of one, for buckets that overlap, a result that is there twice, and a day of which the
    report covers only a part.
    """
    found = [(stretch_of(node), node) for page in pages for node in page.objects("data")]
    by_day: dict[str, list[Stretch]] = {}
    results: list[Result] = []
    seen: dict[object, str] = {}
    for stretch, node in found:
        try:
            day = days.day_of(*stretch)
        except ValueError as error:
            raise node.fault("", str(error)) from None
        by_day.setdefault(day, []).append(stretch)
        for result in node.objects("results"):
            before = seen.setdefault((stretch, _identity(result)), result.path)
            if before != result.path:
                raise result.fault("", f"is counted already: {before} is the same item")
            results.append(Result(day, result))
    _check(found, by_day, days)
    return Report(frozenset(by_day), tuple(results))


def _check(found: list[tuple[Stretch, Node]], by_day: dict[str, list[Stretch]], days: Days) -> None:
    twice = overlap([stretch for stretch, _ in found])
    for stretch, node in found:
        if stretch == twice:
            raise node.fault("", "overlaps another bucket: its time would be counted twice")
    for day, stretches in by_day.items():
        since, until = days.stretch(day)
        if covered(stretches) != until - since:
            first = next(node for stretch, node in found if stretch in stretches)
            raise first.fault(
                "",
                f"the report covers only a part of {day}: fetch whole days, from midnight to "
                "midnight",
            )


def _identity(result: Node) -> frozenset[tuple[str, str | bool]]:
    """Return what a result is about: everything in it but its figures."""
    return frozenset(
        (name, value)
        for name, value in result.fields.items()
        if isinstance(value, str | bool) and not isinstance(value, Number) and "amount" not in name
    )
