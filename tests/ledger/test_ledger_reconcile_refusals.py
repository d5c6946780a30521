"""Bills that cannot be compared: one clear error with file, place and field."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.bill_samples import (
    BILLS,
    DAY_S,
    END,
    FIRST,
    NOW,
    START_S,
    anthropic_bucket,
    anthropic_cost,
    anthropic_page,
    bill,
    openai_bucket,
    openai_cost,
    openai_page,
    pages,
)
from meterr.core.errors import Invalid
from meterr.ledger.reconcile.days import days_of
from meterr.ledger.reconcile.model import Form

_RESULT = "data[0].results[0]"


def refused(form: Form, text: str, **options: Any) -> str:
    with pytest.raises(Invalid) as caught:
        bill(form, text, **options)
    assert caught.value.detail.startswith("bill.x: ")
    return caught.value.detail.removeprefix("bill.x: ")


def openai(*results: dict[str, Any], **bucket: int) -> str:
    return pages([openai_page(openai_bucket(results, **bucket))])


def anthropic(*results: dict[str, Any]) -> str:
    return pages([anthropic_page(anthropic_bucket(results))])


def amount(value: Any, currency: Any = "usd") -> dict[str, Any]:
    return openai_cost("o3, input", "1") | {"amount": {"value": value, "currency": currency}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: there is no page"),
        ("[]", "line 1: there is no page"),
        ("nonsense", "line 1, column 1: broken JSON"),
        ("date,model,cost_usd\n", "--provider csv"),
        ('{"object": "page",\n "data": [}', "line 2, column 11: broken JSON"),
        ('{"data": [], "data": []}', "line 1: broken JSON: the field 'data' stands twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("[" * 100_000, "broken JSON: it is nested too deeply"),
        ("[1]", "line 1: must be a page"),
        ('{"error": {"message": "no"}}', "error: this is an error that the API answered"),
        ('{"object": "page", "has_more": false}', "data: is missing"),
        ('{"object": "page", "data": []}', "has_more: is missing"),
        ('{"object": "page", "data": {}, "has_more": false}', "data: must be an array"),
        ('{"object": "page", "data": [1], "has_more": false}', "data[0]: must be an object"),
        ('{"object": "page", "data": [], "has_more": "no"}', "has_more: must be true or false"),
        ('{"object": "pages", "data": [], "has_more": false}', "object: must be 'page'"),
        (pages([openai_page(more=True)]), "has_more: the file is incomplete"),
        (pages([openai_page(), openai_page(more=True)]), "page[1].has_more: the file is incompl"),
        (openai({"object": "organization.usage.images.result"}), f"{_RESULT}.object: 'organiz"),
        (openai({}), f"{_RESULT}.object: is missing"),
        (openai(amount(-1)), f"{_RESULT}.amount.value: the amount is below zero"),
        (openai(amount("-0.01")), "--allow-credits"),
        (openai(amount("NaN")), f"{_RESULT}.amount.value: 'NaN' is no decimal number"),
        (openai(amount("1,5")), "'1,5' is no decimal number"),
        (openai(amount(None)), f"{_RESULT}.amount.value: must be a decimal number"),
        (openai(amount(True)), f"{_RESULT}.amount.value: must be a decimal number"),
        (openai(amount("1e400")), "larger than any bill"),
        (openai(amount("1e-99")), "more than 40 decimals"),
        (openai(amount(1, "eur")), f"{_RESULT}.amount.currency: is 'eur'"),
        (openai(amount(1, None)), f"{_RESULT}.amount.currency: must be a text"),
        (openai({**amount(1), "amount": 1}), f"{_RESULT}.amount: must be an object"),
        (openai({"object": "organization.costs.result"}), f"{_RESULT}.line_item: is empty"),
        (
            openai({"object": "organization.costs.result", "line_item": "o3, input"}),
            f"{_RESULT}.amount: is missing",
        ),
        (openai(openai_cost(None, "1")), "group_by[]=line_item"),
        (openai({**amount(1), "line_item": 5}), f"{_RESULT}.line_item: must be a text or null"),
        (openai(amount(1), amount(2)), f"data[0].results[1]: is counted already: {_RESULT}"),
        (openai(amount(1), start_s=START_S - DAY_S), "2025-07-31T00:00:00Z is outside --from"),
        (openai(amount(1), start_s=START_S + 3 * DAY_S), "2025-08-04T00:00:00Z is outside"),
        (openai(amount(1), start_s=START_S + 60), "not within one day of UTC"),
        (openai(amount(1), length_s=3600), "covers only a part of 2025-08-01"),
        (openai(amount(1), length_s=0), "data[0].end_time: must be later than start_time"),
        (
            pages([openai_page({"start_time": 1.5, "end_time": 2, "results": []})]),
            "data[0].start_time: '1.5' is no whole number",
        ),
        (
            pages(
                [openai_page(openai_bucket([amount(1)]), openai_bucket([amount(2)], length_s=3600))]
            ),
            "overlaps another bucket",
        ),
        (pages([openai_page(openai_bucket([amount(1)]))] * 2), "page[1].data[0].results[0]: is c"),
    ],
)
def test_a_broken_report_of_openai_is_refused(text: str, said: str) -> None:
    """Issue 3: a clear error that names file, path and field."""
    assert said in refused(Form.OPENAI, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (anthropic(anthropic_cost("c", "5", currency="EUR")), f"{_RESULT}.currency: is 'EUR'"),
        (anthropic(anthropic_cost("c", "-5")), f"{_RESULT}.amount: the amount is below zero"),
        (anthropic(anthropic_cost("c", "inf")), f"{_RESULT}.amount: 'inf' is no decimal"),
        (anthropic({"model": "c"}), f"{_RESULT}.amount: is missing, and so are tokens"),
        (anthropic(anthropic_cost("c", "1"), {"uncached_input_tokens": 1}), "results[1]: costs a"),
        (anthropic(anthropic_cost("c", "1", description=None)), "group_by[]=description"),
        (anthropic({"uncached_input_tokens": 1, "model": None}), "group_by[]=model"),
        (
            anthropic({"uncached_input_tokens": -1, "model": "c", "cache_creation": {}}),
            f"{_RESULT}.uncached_input_tokens: '-1' is no whole number",
        ),
        (
            anthropic({"uncached_input_tokens": 1, "model": "c"}),
            f"{_RESULT}.cache_creation: is missing",
        ),
        (
            pages([anthropic_page({"starting_at": "2025-08-01", "ending_at": "x", "results": []})]),
            "data[0].starting_at: '2025-08-01' is no time",
        ),
        (
            pages([anthropic_page({"startng_at": "2025-08-01T00:00:00Z", "results": []})]),
            "data[0].starting_at: is missing (did you mean startng_at?)",
        ),
        (pages([anthropic_page(more=True)]), "has_more: the file is incomplete"),
    ],
)
def test_a_broken_report_of_anthropic_is_refused(text: str, said: str) -> None:
    """Issue 3: a clear error that names file, path and field."""
    assert said in refused(Form.ANTHROPIC, text)


def test_the_other_provider_s_report_is_recognised() -> None:
    """The error says which provider to name."""
    theirs = (BILLS / "anthropic-costs.json").read_text()
    assert "--provider anthropic" in refused(Form.OPENAI, theirs)
    theirs = (BILLS / "openai-costs.json").read_text()
    assert "--provider openai" in refused(Form.ANTHROPIC, theirs)
    assert "--provider openai or anthropic" in refused(Form.CSV, theirs)


def test_costs_and_usage_in_one_file_are_refused() -> None:
    """Money and tokens are compared one after the other, or half of each would be missing."""
    usage = {"object": "organization.usage.embeddings.result", "model": "e", "input_tokens": 1}
    assert "results[1].object: costs and usage" in refused(Form.OPENAI, openai(amount(1), usage))


def test_more_cached_tokens_than_tokens_are_refused() -> None:
    """A figure that contradicts itself is no figure."""
    result = {"object": "organization.usage.completions.result", "model": "o3"}
    result |= {"input_tokens": 5, "input_cached_tokens": 6, "num_model_requests": 1}
    assert f"{_RESULT}.input_tokens: is less" in refused(Form.OPENAI, openai(result))


_HEAD = "date,model,cost_usd\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the file is empty"),
        ("date,model\n", "line 1: the column cost_usd is missing"),
        ("date,model,cost_usd,input_token\n", "line 1: unknown column 'input_token' (did you mean"),
        ("date,model,cost_usd,colour\n", "line 1: unknown column 'colour' (valid here: cost_usd"),
        ("date,model,cost_usd,date\n", "line 1: the column date stands twice"),
        (_HEAD + "2025-08-01,o3\n", "line 2: has 2 fields, and the header has 3"),
        (_HEAD + "2025-08-01,o3,1,2\n", "line 2: has 4 fields"),
        (_HEAD + "01.08.2025,o3,1\n", "line 2, column date: '01.08.2025' is no date"),
        (_HEAD + "2025-02-30,o3,1\n", "line 2, column date: '2025-02-30' is no date"),
        (_HEAD + "20250801,o3,1\n", "line 2, column date: '20250801' is no date"),
        (_HEAD + "2025-07-31,o3,1\n", "line 2, column date: 2025-07-31 is outside --from"),
        (_HEAD + "2025-08-01, ,1\n", "line 2, column model: is empty"),
        (_HEAD + "2025-08-01,o3,$1\n", "line 2, column cost_usd: '$1' is no decimal number"),
        (_HEAD + "2025-08-01,o3,\n", "line 2, column cost_usd: '' is no decimal number"),
        (_HEAD + "2025-08-01,o3,nan\n", "line 2, column cost_usd: 'nan' is no decimal number"),
        (_HEAD + "2025-08-01,o3,-1\n", "line 2, column cost_usd: the amount is below zero"),
        (_HEAD + '2025-08-01,"a\nb",1\n2025-08-01,o3,x\n', "line 4, column cost_usd"),
        (_HEAD + "2025-08-01,o3,1\n\n2025-08-01,o3,2\n", "line 4, column model: 2025-08-01 and"),
        (_HEAD + '2025-08-01,"o3,1\n', "line 2: broken CSV"),
        (_HEAD + '2025-08-01,"o"3,1\n', "line 2: broken CSV"),
        ("date,model,cost_usd,requests\n2025-08-01,o3,1,1.5\n", "line 2, column requests: '1.5'"),
        ("date,model,cost_usd,requests\n2025-08-01,o3,1,-1\n", "line 2, column requests: '-1'"),
    ],
)
def test_a_broken_table_is_refused(text: str, said: str) -> None:
    """Issue 3: a clear error that names file, line and column."""
    assert said in refused(Form.CSV, text)


def test_days_that_are_not_over_are_refused() -> None:
    """Half a day is not compared with another half: neither side's figures are whole."""
    with pytest.raises(Invalid, match="end with --to 2025-09-01 or earlier"):
        days_of(FIRST, date(2025, 9, 2), "UTC", NOW)
    assert 31 == len(days_of(FIRST, date(2025, 9, 1), "UTC", NOW).labels)
    with pytest.raises(Invalid):  # in Los Angeles it is still August
        days_of(FIRST, date(2025, 9, 1), "America/Los_Angeles", NOW)


def test_a_period_that_is_none_is_refused() -> None:
    """Unknown zones and empty periods."""
    for first, end, tz in ((END, FIRST, "UTC"), (FIRST, FIRST, "UTC"), (FIRST, END, "Mars/Base")):
        with pytest.raises(Invalid):
            days_of(first, end, tz, NOW + timedelta(days=1))
