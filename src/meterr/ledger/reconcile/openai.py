"""OpenAI's own reports: organization costs, and organization usage of completions, embeddings."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from meterr.ledger.reconcile.buckets import Report, Result, Stretch, report_of
from meterr.ledger.reconcile.days import Days
from meterr.ledger.reconcile.document import Node, pages_of
from meterr.ledger.reconcile.lines import check_grouped, costs, money, usage
from meterr.ledger.reconcile.model import WEB_SEARCH_LINE, Bill, BillFile, Line, Measure

_COSTS = "organization.costs.result"
_COMPLETIONS = "organization.usage.completions.result"
_EMBEDDINGS = "organization.usage.embeddings.result"
_SURFACES = {
    _COMPLETIONS: frozenset({"openai.chat", "openai.responses"}),
    _EMBEDDINGS: frozenset({"openai.embeddings"}),
}
_TIERS = frozenset({"priority", "flex", "batch"})
_MODALITY = "(?:text|image|audio)"
# "gpt-4o-2024-08-06, input", "gpt-audio audio, output", "priority | gpt-5.4, output, long context"
_ITEM = re.compile(
    r"(?:(?P<tier>[a-z]+) \| )?"
    rf"(?P<model>(?=\S*[-0-9])[^\s,|]+)(?: {_MODALITY})?"
    rf", (?:{_MODALITY} )?(?:(?:cached )?input|output|cache writes?|audio)"
    r"(?P<more>(?:, [a-z][a-z ]*)*)"
)
_NO_TIER = "long context"
_TIME_MAX = 32_503_680_000  # the year 3000
_NO_ITEM = "(no line item)"
_NO_MODEL = "(no model)"


def read(file: BillFile, days: Days, *, allow_credits: bool) -> Bill:
    """
    Read pages of ``/v1/organization/costs`` (money) or ``/v1/organization/usage/...`` (tokens).

    A line item of a model counts for that model; one in a service tier or of no model stays a line
    of its own. Raises ``Invalid`` naming file, path and field for everything that is not such a
    report, another currency, an amount below zero unless ``allow_credits``, and a report that
    nothing is grouped in, which cannot be compared by model.
    """
    pages = pages_of(file)
    for page in pages:
        _check_sender(page)
    report = report_of(pages, days, _stretch)
    kinds = _kinds(report)
    if kinds & _SURFACES.keys():
        check_grouped(report.results, "model")
        surfaces = frozenset(surface for kind in kinds for surface in _SURFACES[kind])
        return usage(report, (line for r in report.results for line in _usage_lines(r)), surfaces)
    check_grouped(report.results, "line_item")
    lines = [_cost_line(result, allow_credits=allow_credits) for result in report.results]
    return costs(report, lines, _TIERS)


def name_of(item: str) -> str:
    """
    Return the model of a line item, with its service tier in brackets, or the item as it is.

    ``gpt-4o, cached input`` is ``gpt-4o``; ``priority | gpt-5.4, output`` is ``gpt-5.4
    (priority)``; ``assistants api | file search`` stays what it is.
    """
    if item.lower().startswith("web search"):
        return WEB_SEARCH_LINE
    found = _ITEM.fullmatch(item)
    if found is None:
        return item
    said = {found["tier"], *found["more"].split(", ")} - {None, "", _NO_TIER}
    if not said:
        return found["model"]
    tier = said.pop()
    return f"{found['model']} ({tier})" if tier in _TIERS and not said else item


def _cost_line(result: Result, *, allow_credits: bool) -> Line:
    usd = money(result.node.child("amount"), "value", allow_credits=allow_credits)
    item = result.node.optional_text("line_item")
    return Line(result.day, name_of(item) if item else _NO_ITEM, Measure.USD, usd)


def _usage_lines(result: Result) -> Iterator[Line]:
    node = result.node
    name = node.optional_text("model") or _NO_MODEL
    figures = {Measure.REQUESTS: node.count("num_model_requests")}
    figures |= _embedded(node) if node.text("object") == _EMBEDDINGS else _completed(node)
    for measure, count in figures.items():
        yield Line(result.day, name, measure, Decimal(count))


def _embedded(node: Node) -> dict[Measure, int]:
    return {Measure.INPUT: node.count("input_tokens")}


def _completed(node: Node) -> dict[Measure, int]:
    cached = node.optional_count("input_cached_tokens") or 0
    written = node.optional_count("input_cache_write_tokens") or 0
    fresh = node.count("input_tokens") - cached - written
    if fresh < 0:
        raise node.fault("input_tokens", "is less than the cached tokens, which are part of it")
    # Newer reports split by modality as well; the sum of text and pictures is what we count as one.
    text = node.optional_count("input_text_tokens")
    if text is not None:
        fresh = text + (node.optional_count("input_image_tokens") or 0)
    output = node.count("output_tokens")
    spoken = node.optional_count("output_text_tokens")
    if spoken is not None:
        output = spoken + (node.optional_count("output_image_tokens") or 0)
    return {
        Measure.INPUT: fresh,
        Measure.CACHE_READ: cached,
        Measure.CACHE_WRITE: written,
        Measure.INPUT_AUDIO: node.optional_count("input_audio_tokens") or 0,
        Measure.OUTPUT: output,
        Measure.OUTPUT_AUDIO: node.optional_count("output_audio_tokens") or 0,
    }


def _kinds(report: Report) -> frozenset[str]:
    """Return the kinds of results; raises ``Invalid`` for kinds that cannot be compared at once."""
    nodes = {result.node.text("object"): result.node for result in report.results}
    for kind, node in nodes.items():
        if kind != _COSTS and kind not in _SURFACES:
            raise node.fault(
                "object", f"{kind[:80]!r} is not compared; costs, completions and embeddings are"
            )
        if kind != _COSTS and _COSTS in nodes:
            raise node.fault("object", "costs and usage in one file: reconcile one, then the other")
    return frozenset(nodes)


def _check_sender(page: Node) -> None:
    if page.fields.get("object") == "page":
        return
    if any("starting_at" in bucket.fields for bucket in page.objects("data")):
        raise page.fault("", "this is a report of Anthropic: --provider anthropic reads it")
    raise page.fault("object", "must be 'page', as in every report of OpenAI")


def _stretch(bucket: Node) -> Stretch:
    start, end = bucket.count("start_time"), bucket.count("end_time")
    if not start < end <= _TIME_MAX:
        raise bucket.fault("end_time", "must be later than start_time, both in Unix seconds")
    return datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
