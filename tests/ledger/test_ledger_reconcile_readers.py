"""What the readers of bills make of a provider's own words. The files are in bills/."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger.bill_samples import (
    DAY_S,
    START_S,
    anthropic_bucket,
    anthropic_page,
    bill,
    days,
    golden,
    openai_bucket,
    openai_cost,
    openai_page,
    pages,
    sums,
    usd,
)
from meterr.ledger.reconcile import tolerance_of
from meterr.ledger.reconcile.amount import amount_of
from meterr.ledger.reconcile.days import days_of
from meterr.ledger.reconcile.model import Form, Measure, Tolerance
from meterr.ledger.reconcile.openai import name_of


def test_openai_costs_are_dollars_to_the_last_digit() -> None:
    """Decimal end to end: a JSON number is read as its digits, never as a float."""
    found = golden(Form.OPENAI, "openai-costs.json")

    assert {
        "gpt-4o-2024-08-06": Decimal("0.0250100000000000004"),
        "gpt-5.4-2026-03-05 (priority)": Decimal("0.04"),
        "web search": Decimal(0),
        "assistants api | file search": Decimal("0.000271"),
    } == usd(found, "2025-08-01")
    assert {"text-embedding-3-small": Decimal("0.0031")} == usd(found, "2025-08-03")
    assert {"2025-08-01", "2025-08-02", "2025-08-03"} == found.days
    assert (Measure.USD,) == found.measures


def test_openai_usage_is_tokens_by_class() -> None:
    """Cached tokens are part of OpenAI's input; ours are disjoint, so they are taken out."""
    found = golden(Form.OPENAI, "openai-usage.json")
    day, model = "2025-08-01", "gpt-4o-2024-08-06"

    assert {
        (day, model, "requests"): 5,
        (day, model, "input"): 200,
        (day, model, "cache_read"): 800,
        (day, model, "cache_write"): 0,
        (day, model, "input_audio"): 7,
        (day, model, "output"): 500,
        (day, model, "output_audio"): 0,
        (day, "text-embedding-3-small", "requests"): 2,
        (day, "text-embedding-3-small", "input"): 16,
    } == sums(found)
    assert {"openai.chat", "openai.responses", "openai.embeddings"} == found.surfaces


def test_anthropic_costs_are_cents() -> None:
    """Anthropic: `"123.45"` in `"USD"` represents $1.23."""
    found = golden(Form.ANTHROPIC, "anthropic-costs.json")

    assert {
        "claude-sonnet-4-20250514": Decimal("1.24"),
        "claude-sonnet-4-20250514 (batch)": Decimal("0.1"),
        "web search": Decimal("0.02"),
        "Code Execution Usage": Decimal("0.05"),
    } == usd(found, "2025-08-01")
    assert {"2025-08-01", "2025-08-02"} == found.days


def test_anthropic_usage_is_tokens_by_class() -> None:
    """Its classes are disjoint as they come, the two lives of a cache entry included."""
    found = golden(Form.ANTHROPIC, "anthropic-usage.json")
    figures = {measure: amount for (_, _, measure), amount in sums(found).items()}

    assert {
        "input": 1500,
        "cache_read": 200,
        "cache_write_5m": 500,
        "cache_write_1h": 1000,
        "output": 500,
        "web_search": 10,
    } == figures
    assert {"anthropic.messages"} == found.surfaces


def test_a_plain_csv_may_have_its_columns_in_any_order() -> None:
    """RFC 4180: quotes, CRLF; a byte order mark and an exponent are tolerated."""
    found = golden(Form.CSV, "plain.csv")
    odd = 'kimi-k2, "preview"'

    assert {
        ("2025-08-01", "kimi-k2.5", "usd"): Decimal("0.003"),
        ("2025-08-01", "kimi-k2.5", "requests"): 1,
        ("2025-08-01", "kimi-k2.5", "input_tokens"): 1000,
        ("2025-08-02", odd, "usd"): Decimal("0.000015"),
        ("2025-08-02", odd, "requests"): 2,
        ("2025-08-02", odd, "input_tokens"): 30,
    } == sums(found)
    assert (Measure.USD, Measure.PROMPT, Measure.REQUESTS) == found.measures


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("gpt-4o-2024-08-06, input", "gpt-4o-2024-08-06"),
        ("gpt-5.4-mini-2026-03-17, cached input", "gpt-5.4-mini-2026-03-17"),
        ("gpt-5.4, cache writes", "gpt-5.4"),
        ("ft-gpt-4o-2024-08-06, output", "ft-gpt-4o-2024-08-06"),
        ("gpt-audio-mini-2025-12-15 audio, input", "gpt-audio-mini-2025-12-15"),
        ("o3, output, long context", "o3"),
        ("priority | gpt-5.4, output, long context", "gpt-5.4 (priority)"),
        ("gpt-5.4, input, batch", "gpt-5.4 (batch)"),
        ("flex | o3, input", "o3 (flex)"),
        ("web search tool calls", "web search"),
        ("assistants api | file search", "assistants api | file search"),
        ("assistants file storage", "assistants file storage"),
        ("storage, input", "storage, input"),
        ("gpt-5.4, input, discounted", "gpt-5.4, input, discounted"),
        ("turbo | gpt-5.4, input", "turbo | gpt-5.4, input"),
    ],
)
def test_a_line_item_of_openai_names_a_model_or_stays_as_it_is(item: str, name: str) -> None:
    """What is no model keeps the provider's words: nothing is dropped and nothing is guessed."""
    assert name == name_of(item)


def test_hours_add_up_to_their_day() -> None:
    """A usage report may come by the hour; the day is what is compared."""
    hours = [
        openai_bucket([openai_cost("o3, input", "0.1")], start_s=START_S + at, length_s=3600)
        for at in range(0, DAY_S, 3600)
    ]
    found = bill(Form.OPENAI, pages([openai_page(*hours)]))
    assert {"o3": Decimal("2.4")} == usd(found, "2025-08-01")


def test_a_report_without_any_cost_says_that_its_days_were_free() -> None:
    """Empty results are an answer: nothing was billed."""
    found = bill(Form.ANTHROPIC, pages([anthropic_page(anthropic_bucket([]))]))
    assert ((), {"2025-08-01"}) == (found.lines, found.days)


def test_credits_stand_apart_when_they_are_allowed() -> None:
    """An amount below zero is shown, and is in no sum that is compared."""
    results = [openai_cost("o3, input", "2.5"), openai_cost("goodwill credit", "-1.25")]
    text = pages([openai_page(openai_bucket(results))])
    found = bill(Form.OPENAI, text, allow_credits=True)

    assert {"o3": Decimal("2.5")} == usd(found, "2025-08-01")
    assert [("goodwill credit", Decimal("-1.25"))] == [(c.name, c.amount) for c in found.credits]


def test_days_of_another_zone_are_taken_from_a_bill_that_has_them() -> None:
    """`--tz`: the days of both sides are those of the zone."""
    berlin = START_S - 2 * 3600
    text = pages([openai_page(openai_bucket([openai_cost("o3, input", "1")], start_s=berlin))])
    assert {"2025-08-01"} == bill(Form.OPENAI, text, tz="Europe/Berlin").days


def test_a_day_of_25_hours_is_a_whole_day() -> None:
    """P1: the clocks go back on 26 October 2025 in Berlin."""
    found = days_of(
        datetime(2025, 10, 26, tzinfo=UTC).date(),
        datetime(2025, 10, 27, tzinfo=UTC).date(),
        "Europe/Berlin",
        datetime(2025, 11, 1, tzinfo=UTC),
    )
    since, until = found.stretch("2025-10-26")
    assert 25 * 3600 == (until - since).total_seconds()
    assert "2025-10-26" == found.day_of(since, until)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("-0.5", "-0.5"),
        ("1.2e-05", "0.000012"),
        ("0E-6176", "0"),
        ("12345678901234.0000000000000000000000000000000000000001", None),
    ],
)
def test_an_amount_is_read_exactly(text: str, value: str | None) -> None:
    """Numbers as JSON and spreadsheets write them."""
    assert Decimal(value or text) == amount_of(text)


def test_a_tolerance_is_an_amount_or_a_share() -> None:
    """`--tolerance 0.01` is US dollars, `0.5%` is of what was billed."""
    assert Tolerance(usd=Decimal("0.01")) == tolerance_of("0.01")
    assert Tolerance(percent=Decimal("0.5")) == tolerance_of("0.5%")
    for wrong in ("-1", "101%", "five", "", "%", "NaN"):
        with pytest.raises(ValueError):
            tolerance_of(wrong)


def test_the_period_is_named_in_the_reader_s_errors() -> None:
    """Whoever reads the error sees which days were asked for."""
    assert "--from 2025-08-01 --to 2025-08-04 (UTC)" == days().told()
