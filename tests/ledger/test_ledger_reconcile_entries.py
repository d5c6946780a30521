"""Bills against entries in a real PostgreSQL that differ in each way that is explained."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from ledger.bill_samples import (
    BILLS,
    END,
    FIRST,
    NOW,
    START_S,
    anthropic_bucket,
    anthropic_cost,
    anthropic_page,
    openai_bucket,
    openai_cost,
    openai_page,
    pages,
)
from ledger.ledger_rows import entry, insert, insert_price, make_partitions, make_tenant
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.ledger import record_upstreams
from meterr.ledger.model import Price, Rate
from meterr.ledger.reconcile import (
    BillFile,
    Form,
    Question,
    Reconciliation,
    Row,
    Tolerance,
    reconcile,
)
from meterr.ledger.report import UpstreamMeaning

ACME = "0199aaaa-0000-7000-8000-000000000001"
OTHER = "0199aaaa-0000-7000-8000-000000000002"
MIDNIGHT_MS = START_S * 1000
NOON_MS = MIDNIGHT_MS + 12 * 3_600_000
_NUMBER = count(1)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    make_partitions(database_url, FIRST - timedelta(days=1), END)
    for tenant in (ACME, OTHER):
        make_tenant(database_url, tenant, unknown_price="flag")
    async with Database.open(database_url, Role.APP, pool_size_max=1) as opened:
        yield opened


def book(
    dsn: str, model: str = "o3", *, tenant: str = ACME, at_ms: int = NOON_MS, **more: Any
) -> str:
    """Store one call of 1,000 tokens in and 100 out for 0.003 USD; return its id."""
    row = entry(tenant, at_ms, next(_NUMBER), model=model, **more)
    insert(dsn, [row])
    return str(row["id"])


def price(name: str, context: str = "standard", **rates: str) -> Price:
    """Return a price version; of its rates only that of searches is ever read here."""
    found = {each: Rate(usd) for each, usd in rates.items()}
    return Price(name, "openai", "o3", "exact", "test", context, found)


async def compared(
    db: Database,
    text: str,
    form: Form = Form.OPENAI,
    tenants: tuple[str, ...] = (ACME, OTHER),
    **asked: Any,
) -> Reconciliation:
    question = Question(
        **{"form": form, "provider": form.value, "first": FIRST, "end": END} | asked
    )
    return await reconcile(db, tenants, BillFile("bill.x", text), question, NOW)


def costs(**billed: str) -> str:
    """Return OpenAI's bill of the first day: model (with _ for -) to US dollars."""
    results = [openai_cost(f"{m.replace('_', '-')}, input", usd) for m, usd in billed.items()]
    return pages([openai_page(openai_bucket(results))])


def row(found: Reconciliation, name: str, measure: str = "usd") -> Row:
    (one,) = (each for each in found.rows if (each.name, each.measure) == (name, measure))
    return one


def causes(one: Row) -> dict[str, tuple[int, Decimal | None, tuple[str, ...]]]:
    return {each.cause.value: (each.calls, each.amount, each.ids) for each in one.explanations}


async def test_a_bill_that_agrees_has_no_difference(db: Database, database_url: str) -> None:
    """Both sides to the last digit, over all tenants, refused calls left out."""
    book(database_url, cost_usd="0.000000000000000001")
    book(database_url, tenant=OTHER)
    book(database_url, state="refused", status=402, usage_known=False, input=0, output=0,
         cost_usd=None)  # fmt: skip
    found = await compared(db, costs(o3="0.003000000000000001"))
    one = row(found, "o3")

    assert (False, "equal", ()) == (found.differs, one.verdict, one.explanations)
    assert Decimal("0.003000000000000001") == one.theirs == one.ours
    assert ("2025-08-02", "2025-08-03") == found.days_absent


async def test_only_the_chosen_tenants_count(db: Database, database_url: str) -> None:
    """`--tenant`: what others used is not ours."""
    book(database_url)
    book(database_url, tenant=OTHER)
    found = await compared(db, costs(o3="0.003"), tenants=(OTHER,))
    assert not found.differs


async def test_each_side_s_own_models_appear(db: Database, database_url: str) -> None:
    """What was billed and never called, and what was called and never billed."""
    book(database_url, "gpt-4.1")
    found = await compared(db, costs(o3="1"))

    assert (Decimal(1), None, Decimal(1)) == _figures(row(found, "o3"))
    assert (None, Decimal("0.003"), Decimal("-0.003")) == _figures(row(found, "gpt-4.1"))
    (total,) = found.totals
    assert (Decimal(1), Decimal("0.003"), "differs") == (total.theirs, total.ours, total.verdict)


async def test_entries_of_other_providers_are_not_in_it(db: Database, database_url: str) -> None:
    """Ours are the calls to upstreams of the provider who wrote the bill."""
    book(database_url, provider="anthropic")
    found = await compared(db, costs())
    assert ((), False) == (found.rows, found.differs)


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("interrupted", {"state": "interrupted", "status": 0, "outcome": "process_died"}),
        ("estimated", {"estimate": "request-bytes"}),
        ("partial", {"error": "usage-partial"}),
        ("unpriced", {"cost_usd": None}),
        ("renamed", {"model": "o3-latest", "answered_model": "o3"}),
        ("over-midnight", {"at_ms": MIDNIGHT_MS + 86_399_000, "duration_ms": 1_500}),
    ],
)
async def test_what_may_explain_a_difference_is_named(
    db: Database, database_url: str, cause: str, changes: dict[str, Any]
) -> None:
    """Counts, sums and the first ids of the entries that share a cause, and of no others."""
    plain = book(database_url)
    odd = [book(database_url, **changes) for _ in range(4)]
    found = await compared(db, costs(o3="1"))
    cost = None if cause == "unpriced" else Decimal("0.012")

    assert {cause: (4, cost, tuple(odd[:3]))} == causes(row(found, "o3"))
    assert plain not in odd


async def test_a_price_that_changed_within_the_day_is_named(
    db: Database, database_url: str
) -> None:
    """Priced by another version than the day's first; another tier is no other version."""
    first, second, tier = price("b" * 32), price("a" * 32), price("c" * 32, context="flex")
    for each in (first, second, tier):
        insert_price(database_url, each)
    book(database_url, price_id=first.id)
    book(database_url, price_id=tier.id, at_ms=NOON_MS + 1)
    late = book(database_url, price_id=second.id, at_ms=NOON_MS + 2)
    csv = "date,model,cost_usd\n2025-08-01,o3,1\n"
    found = await compared(db, csv, Form.CSV, provider="openai")

    assert {"price-changed": (1, Decimal("0.003"), (late,))} == causes(row(found, "o3"))
    assert Decimal("0.009") == row(found, "o3").ours


async def test_an_entry_can_have_several_causes(db: Database, database_url: str) -> None:
    """An interrupted call is closed by estimate: it is told under both words."""
    odd = book(database_url, state="interrupted", estimate="request-bytes")
    found = await compared(db, costs(o3="1"))
    assert {"interrupted", "estimated"} == causes(row(found, "o3")).keys()
    assert {(odd,)} == {ids for _, _, ids in causes(row(found, "o3")).values()}


async def test_a_service_tier_on_a_line_of_its_own_is_compared_with_its_calls(
    db: Database, database_url: str
) -> None:
    """`priority | o3, input` on OpenAI's bill is what our calls at priority cost."""
    tier = price("d" * 32, context="priority")
    insert_price(database_url, tier)
    book(database_url, price_id=tier.id)
    book(database_url)
    results = [openai_cost("priority | o3, input", "0.003"), openai_cost("o3, input", "0.003")]
    found = await compared(db, pages([openai_page(openai_bucket(results))]))

    assert ["o3", "o3 (priority)"] == [each.name for each in found.rows]
    assert not found.differs


async def test_web_searches_are_compared_apart_as_they_are_billed(
    db: Database, database_url: str
) -> None:
    """Both providers bill searches without a model: their part of our cost is taken out."""
    priced = price("e" * 32, web_search="10")
    insert_price(database_url, priced)
    anthropic = {"provider": "anthropic", "surface": "anthropic.messages"}
    book(database_url, "claude-x", price_id=priced.id, web_search=2, cost_usd="0.023", **anthropic)
    results = [
        anthropic_cost("claude-x", "0.3"),
        anthropic_cost(None, "2", cost_type="web_search", description="Web Search Usage"),
    ]
    found = await compared(db, pages([anthropic_page(anthropic_bucket(results))]), Form.ANTHROPIC)

    assert Decimal("0.003") == row(found, "claude-x").ours
    assert Decimal("0.02") == row(found, "web search").ours
    assert not found.differs


async def test_usage_is_compared_by_token_class(db: Database, database_url: str) -> None:
    """Tokens per class and requests, of the surfaces that the report is about."""
    model = "gpt-4o-2024-08-06"
    told = {"input": 200, "cache_read": 800, "input_audio": 7, "output": 500}
    book(database_url, "gpt-4o", answered_model=model, **told)
    for _ in range(4):
        book(database_url, model, status=500, input=0, output=0, cost_usd=None, usage_known=False)
    book(database_url, "text-embedding-3-small", surface="openai.embeddings", input=15, output=0)
    found = await compared(db, (BILLS / "openai-usage.json").read_text())

    assert {"input", "cache_read", "input_audio", "output", "requests"} == {
        each.measure for each in found.rows if each.name == model
    }
    assert (5, 1, "differs") == _verdict(row(found, model, "requests"))
    assert (200, 200, "equal") == _verdict(row(found, model, "input"))
    assert (16, 15, "differs") == _verdict(row(found, "text-embedding-3-small", "input"))


async def test_a_usage_report_says_nothing_about_other_surfaces(
    db: Database, database_url: str
) -> None:
    """A report of messages is not compared with calls that it cannot contain."""
    anthropic = {"provider": "anthropic", "surface": "openai.chat"}
    book(database_url, "claude-x", **anthropic)
    text = pages([anthropic_page(anthropic_bucket([]))])
    assert 1 == len((await compared(db, text, Form.ANTHROPIC)).rows)
    usage = (BILLS / "anthropic-usage.json").read_text()
    names = {each.name for each in (await compared(db, usage, Form.ANTHROPIC)).rows}
    assert {"claude-sonnet-4-20250514"} == names


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [
        (Tolerance(), "differs"),
        (Tolerance(usd=Decimal("0.0099")), "differs"),
        (Tolerance(usd=Decimal("0.01")), "within-tolerance"),
        (Tolerance(percent=Decimal(75)), "differs"),
        (Tolerance(percent=Decimal(77)), "within-tolerance"),
    ],
)
async def test_a_tolerance_is_what_still_passes(
    db: Database, database_url: str, tolerance: Tolerance, verdict: str
) -> None:
    """0.013 billed and 0.003 booked: 0.01 too much, or 76.9 % of what was billed."""
    book(database_url)
    found = await compared(db, costs(o3="0.013"), tolerance=tolerance)
    assert (verdict, verdict) == (row(found, "o3").verdict, found.totals[0].verdict)
    assert (verdict == "differs") is found.differs


async def test_small_differences_can_make_a_large_total(db: Database, database_url: str) -> None:
    """Each day and model may pass alone while the sum does not."""
    found = await compared(
        db, costs(o3="0.01", o4="0.01"), tolerance=Tolerance(usd=Decimal("0.01"))
    )
    assert ["within-tolerance"] * 2 == [each.verdict for each in found.rows]
    assert (["differs"], True) == ([each.verdict for each in found.totals], found.differs)


async def test_days_are_those_of_the_zone_asked_for(db: Database, database_url: str) -> None:
    """`--tz`: a call at 23:30 UTC is one of the next day in Berlin."""
    book(database_url, at_ms=MIDNIGHT_MS - 1_800_000)
    csv = "date,model,cost_usd\n2025-08-01,o3,0.003\n"
    asked = {"form": Form.CSV, "provider": "openai"}
    assert not (await compared(db, csv, **asked, tz="Europe/Berlin")).differs
    assert (await compared(db, csv, **asked)).differs


async def test_a_provider_that_nobody_configured_is_refused(
    db: Database, database_url: str
) -> None:
    """A slip in `--of` would make every call look unbilled: the nearest name is offered."""
    await record_upstreams(db, [UpstreamMeaning("kimi", "moonshotai", None, None)])
    csv = "date,model,cost_usd\n2025-08-01,o3,1\n"
    with pytest.raises(Invalid, match="did you mean moonshotai"):
        await compared(db, csv, Form.CSV, provider="moonshot-ai")
    assert (await compared(db, csv, Form.CSV, provider="moonshotai")).differs


async def test_nothing_is_written(db: Database, database_url: str) -> None:
    """The command only reads: it may be run on a server that allows nothing else."""
    book(database_url)
    readonly = f"{database_url} options='-c default_transaction_read_only=on'"
    async with Database.open(readonly, Role.APP, pool_size_max=1) as reading:
        assert (await compared(reading, costs(o3="1"))).differs


def _figures(one: Row) -> tuple[Decimal | None, Decimal | None, Decimal]:
    return one.theirs, one.ours, one.difference


def _verdict(one: Row) -> tuple[Decimal | None, Decimal | None, str]:
    return one.theirs, one.ours, one.verdict
