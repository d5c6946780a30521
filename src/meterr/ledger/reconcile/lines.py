"""From results to lines: what the reports of both providers have in common. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from meterr.ledger.reconcile.buckets import Report, Result
from meterr.ledger.reconcile.document import Node
from meterr.ledger.reconcile.model import Bill, Line, Measure

CREDIT = (
    "the amount is below zero, a credit: --allow-credits shows credits apart and compares the rest"
)
_CURRENCY = "usd"


def check_grouped(results: Sequence[Result], field: str) -> None:
    """Raise ``Invalid`` when no result has the field: the report was not asked for by it."""
    if results and all(result.node.optional_text(field) is None for result in results):
        raise results[0].node.fault(
            field,
            f"is empty in every result, so nothing can be compared by model: fetch the report "
            f"with group_by[]={field}",
        )


def money(node: Node, field: str, *, allow_credits: bool) -> Decimal:
    """Return an amount of US dollars, or of their cents, from beside its ``currency``."""
    currency = node.text("currency")
    if currency.lower() != _CURRENCY:
        raise node.fault("currency", f"is {currency[:20]!r}; the ledger is in US dollars")
    amount = node.amount(field)
    if amount < 0 and not allow_credits:
        raise node.fault(field, CREDIT)
    return amount


def costs(report: Report, lines: Sequence[Line], tiers: frozenset[str]) -> Bill:
    """Return the bill of a report about money, credits apart."""
    return Bill(
        days=report.days,
        measures=(Measure.USD,),
        lines=tuple(line for line in lines if line.amount >= 0),
        credits=tuple(line for line in lines if line.amount < 0),
        tiers=tiers,
        web_search_apart=True,
    )


def usage(report: Report, lines: Iterable[Line], surfaces: frozenset[str]) -> Bill:
    """Return the bill of a report about tokens."""
    kept = tuple(lines)
    told = {line.measure for line in kept}
    return Bill(
        days=report.days,
        measures=tuple(measure for measure in Measure if measure in told),
        lines=kept,
        surfaces=surfaces,
    )
