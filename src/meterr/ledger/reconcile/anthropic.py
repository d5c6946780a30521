"""Anthropic's own reports: the cost report, and the usage report of messages. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from meterr.core.money import EXACT
from meterr.ledger.reconcile.buckets import Report, Result, Stretch, report_of
from meterr.ledger.reconcile.days import Days
from meterr.ledger.reconcile.document import Node, pages_of
from meterr.ledger.reconcile.lines import check_grouped, costs, money, usage
from meterr.ledger.reconcile.model import WEB_SEARCH_LINE, Bill, BillFile, Line, Measure

_SURFACES = frozenset({"anthropic.messages"})
_TIERS = frozenset({"batch", "priority"})
_NO_DESCRIPTION = "(no description)"
_NO_MODEL = "(no model)"
_AMOUNT = "amount"
_TOKENS = "uncached_input_tokens"


def read(file: BillFile, days: Days, *, allow_credits: bool) -> Bill:
    """
    Read pages of ``/v1/organizations/cost_report`` (money) or ``.../usage_report/messages``.

    The cost report has its amounts in **cents**, as decimal text. What has no model stays a line of
    its own. Raises ``Invalid`` naming file, path and field for everything that is not such a
    report, another currency, an amount below zero unless ``allow_credits``, and a report that
    nothing is grouped in, which cannot be compared by model.
    """
    pages = pages_of(file)
    for page in pages:
        _check_sender(page)
    report = report_of(pages, days, _stretch)
    if _is_usage(report):
        check_grouped(report.results, "model")
        lines = (line for result in report.results for line in _usage_lines(result))
        return usage(report, lines, _SURFACES)
    check_grouped(report.results, "description")
    return costs(
        report, [_cost_line(r, allow_credits=allow_credits) for r in report.results], _TIERS
    )


def _is_usage(report: Report) -> bool:
    """Return whether the report is about tokens; raises ``Invalid`` unless it is one thing."""
    about = [_TOKENS in result.node.fields for result in report.results]
    for is_usage, result in zip(about, report.results, strict=True):
        if is_usage == (_AMOUNT in result.node.fields):
            raise result.node.fault(
                _AMOUNT,
                "is missing, and so are tokens: this is neither a cost report nor a usage report "
                "of messages",
            )
        if is_usage != about[0]:
            raise result.node.fault(
                "", "costs and usage in one file: reconcile one, then the other"
            )
    return bool(about) and about[0]


def _cost_line(result: Result, *, allow_credits: bool) -> Line:
    node = result.node
    cents = money(node, _AMOUNT, allow_credits=allow_credits)
    return Line(result.day, _name(node), Measure.USD, cents.scaleb(-2, EXACT))


def _name(node: Node) -> str:
    model = node.optional_text("model")
    if model is None:
        if node.optional_text("cost_type") == "web_search":
            return WEB_SEARCH_LINE
        return node.optional_text("description") or _NO_DESCRIPTION
    tier = node.optional_text("service_tier")
    return f"{model} ({tier})" if tier in _TIERS else model


def _usage_lines(result: Result) -> Iterator[Line]:
    node = result.node
    written = node.child("cache_creation")
    figures = {
        Measure.INPUT: node.count(_TOKENS),
        Measure.CACHE_READ: node.count("cache_read_input_tokens"),
        Measure.CACHE_WRITE_5M: written.count("ephemeral_5m_input_tokens"),
        Measure.CACHE_WRITE_1H: written.count("ephemeral_1h_input_tokens"),
        Measure.OUTPUT: node.count("output_tokens"),
    }
    if "server_tool_use" in node.fields:
        figures[Measure.WEB_SEARCH] = node.child("server_tool_use").count("web_search_requests")
    name = node.optional_text("model") or _NO_MODEL
    for measure, count in figures.items():
        yield Line(result.day, name, measure, Decimal(count))


def _check_sender(page: Node) -> None:
    buckets = page.objects("data")
    if page.fields.get("object") == "page" or any("start_time" in b.fields for b in buckets):
        raise page.fault("", "this is a report of OpenAI: --provider openai reads it")


def _stretch(bucket: Node) -> Stretch:
    since, until = _instant(bucket, "starting_at"), _instant(bucket, "ending_at")
    if since >= until:
        raise bucket.fault("ending_at", "must be later than starting_at")
    return since, until


def _instant(bucket: Node, name: str) -> datetime:
    text = bucket.text(name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise bucket.fault(name, f"{text[:40]!r} is no time such as 2026-11-22T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise bucket.fault(name, f"{text[:40]!r} is outside the calendar") from None
