"""Verifying the ledger: every planted fault is found, by name; a sound ledger has none."""

import uuid
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from ledger_rows import (
    entry,
    id_at,
    insert,
    insert_price,
    make_partitions,
    make_tenant,
    run_as_admin,
)
from price_samples import NOW_MS

from meterr.core.clock import as_datetime
from meterr.core.db import Database, Role
from meterr.core.money import wire
from meterr.ledger import PriceBook, Pricer, verify_ledger
from meterr.ledger.model import Price, Usage
from meterr.ledger.verify import NAMED_PER_FAULT, Fault, LedgerReport

TENANT = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))
ENTRIES = 5
THIRD = id_at(NOW_MS + 2, 2)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


@pytest.fixture
def price() -> Price:
    found = PriceBook.bundled().resolve("openai", "gpt-5.4", "", NOW_MS)
    assert found is not None
    return found


@pytest.fixture
def ledger(database_url: str, price: Price) -> str:
    """A sound ledger of five priced entries, one refused and one whose price is unknown."""
    today = as_datetime(NOW_MS).date()
    make_partitions(database_url, today, today)
    insert_price(database_url, price)
    make_tenant(database_url, TENANT)
    make_tenant(database_url, OTHER, unknown_price="flag")
    pricer = Pricer(price)
    for n in range(ENTRIES):
        usage = Usage(input=100_000 * n, cache_read=7, output=10 + n, web_search=n)
        cost = pricer.cost(usage)
        assert cost is not None
        counts = {name: getattr(usage, name) for name in Usage.__struct_fields__}
        row = entry(TENANT, NOW_MS + n, n, price_id=price.id, cost_usd=wire(cost))
        insert(database_url, [{**row, **counts}])
    refused = {"state": "refused", "status": 402, "usage_known": False, "cost_usd": None}
    insert(database_url, [entry(TENANT, NOW_MS, 90, **refused)])
    insert(database_url, [entry(OTHER, NOW_MS, 91, cost_usd=None)])
    return database_url


def faults(report: LedgerReport) -> list[tuple[Fault, str]]:
    return [(finding.fault, finding.entry) for finding in report.named]


async def test_a_sound_ledger_has_no_fault(db: Database, ledger: str, price: Price) -> None:
    """P1, P7: recomputed cost equals stored cost for every entry of every tenant."""
    seen: list[int] = []
    report = await verify_ledger(db, [TENANT, OTHER], on_progress=seen.append)
    assert [] == faults(report)
    assert not report.failed
    assert (2, ENTRIES + 2, 1) == (report.tenants, report.entries, report.price_versions)
    assert report.cost_usd > 0


CHANGED = "UPDATE meterr.ledger_entry SET {} WHERE id = '" + THIRD + "'"
UNCHECKED = "ALTER TABLE meterr.ledger_entry DROP CONSTRAINT refused_costs_nothing"


@pytest.mark.parametrize(
    ("fault", "statements"),
    [
        (Fault.COST_DIFFERS, [CHANGED.format("cost_usd = cost_usd + 0.000000000000000001")]),
        (Fault.COST_DIFFERS, [CHANGED.format("cost_usd = NULL")]),
        (Fault.COST_DIFFERS, [CHANGED.format("cost_usd = 0")]),
        (Fault.COST_DIFFERS, [CHANGED.format("output = output - 1")]),
        (Fault.COST_DIFFERS, [CHANGED.format("web_fetch = 1")]),
        (Fault.PRICE_MISSING, [CHANGED.format("price_id = 'gone'")]),
        (Fault.COST_WITHOUT_PRICE, [CHANGED.format("price_id = NULL")]),
        (Fault.COST_WITHOUT_USAGE, [CHANGED.format("usage_known = false")]),
        (Fault.COST_OF_REFUSED, [UNCHECKED, CHANGED.format("state = 'refused'")]),
        (Fault.PRICE_FOREIGN, [CHANGED.format("provider = 'anthropic'")]),
        (Fault.PRICE_FOREIGN, [CHANGED.format("provider = ''")]),
        (Fault.KEY_UNKNOWN, [CHANGED.format("key_id = gen_random_uuid()")]),
        (Fault.TIME_DIFFERS, [CHANGED.format("at = at + interval '1 ms'")]),
        (Fault.TIME_DIFFERS, [CHANGED.format("at = at + interval '1 microsecond'")]),
    ],
)
async def test_a_fault_in_one_entry_is_found_and_named(
    db: Database, ledger: str, admin_dsn: str, fault: Fault, statements: list[str]
) -> None:
    """P7: any edit of a figure shows, down to the last of 18 places."""
    run_as_admin(admin_dsn, *statements)
    report = await verify_ledger(db, [TENANT, OTHER])
    assert [(fault, THIRD)] == faults(report)
    assert {fault: 1} == report.counts
    assert report.failed
    assert TENANT == report.named[0].tenant


async def test_an_id_that_is_no_uuid7_has_no_time(
    db: Database, ledger: str, admin_dsn: str
) -> None:
    """P7: an entry slipped in with a random id is told from one that meterr minted."""
    other = THIRD[:14] + "4" + THIRD[15:]
    run_as_admin(admin_dsn, CHANGED.format(f"id = '{other}'"))
    assert [(Fault.TIME_DIFFERS, other)] == faults(await verify_ledger(db, [TENANT]))


@pytest.mark.parametrize(
    "change",
    [
        "rates = jsonb_set(rates, '{output,usd}', '\"0.01\"')",
        "rates = jsonb_set(rates, '{input,usd}', '5')",
        "rates = '[]'",
        "rates = jsonb_set(rates, '{web_search,usd}', '\"free\"')",
    ],
)
async def test_altered_terms_are_found_by_their_digest(
    db: Database, ledger: str, admin_dsn: str, price: Price, change: str
) -> None:
    """P7: whoever edits a price version changes what its id should be, and costs with it."""
    run_as_admin(admin_dsn, f"UPDATE meterr.price_version SET {change}")
    report = await verify_ledger(db, [TENANT])
    assert 1 == report.counts[Fault.PRICE_ALTERED]
    assert ("", price.id) == (report.named[0].tenant, report.named[0].entry)
    assert {Fault.PRICE_ALTERED, Fault.COST_DIFFERS} == set(report.counts)


async def test_a_renamed_price_is_altered_though_its_rates_are_not(
    db: Database, ledger: str, admin_dsn: str, price: Price
) -> None:
    """P7: the digest covers model, source and context too."""
    run_as_admin(admin_dsn, "UPDATE meterr.price_version SET model = 'gpt-9'")
    assert [(Fault.PRICE_ALTERED, price.id)] == faults(await verify_ledger(db, [TENANT]))


async def test_one_id_in_two_partitions_is_found(
    db: Database, ledger: str, database_url: str, price: Price
) -> None:
    """P2: nothing twice; the primary key cannot see across days, verification can."""
    later = as_datetime(NOW_MS + 86_400_000)
    twin = entry(TENANT, NOW_MS + 2, 2, at=later, cost_usd=None, input=0, output=0)
    insert(database_url, [twin])
    report = await verify_ledger(db, [TENANT, OTHER])
    assert {Fault.TIME_DIFFERS: 1, Fault.ID_REPEATED: 1, Fault.UNPARTITIONED: 1} == report.counts
    assert (Fault.ID_REPEATED, THIRD) in faults(report)


async def test_an_entry_in_the_default_partition_is_a_warning(
    db: Database, ledger: str, database_url: str
) -> None:
    """Section 6: nothing is wrong with its figures, but its day was not made ahead."""
    insert(database_url, [entry(OTHER, NOW_MS + 86_400_000, cost_usd=None)])
    report = await verify_ledger(db, [OTHER])
    assert {Fault.UNPARTITIONED: 1} == report.counts
    assert not report.failed


async def test_entries_of_a_tenant_that_does_not_exist_are_found(
    db: Database, ledger: str, database_url: str
) -> None:
    """P7: nothing in the database ties an entry to a tenant; no list of tenants would show it."""
    stranger = str(uuid.UUID(int=3))
    insert(database_url, [entry(stranger, NOW_MS + n, n) for n in range(2)])
    report = await verify_ledger(db, [TENANT, OTHER])
    assert {Fault.TENANT_UNKNOWN: 1, Fault.COST_WITHOUT_PRICE: 2} == report.counts
    assert (Fault.TENANT_UNKNOWN, "") == faults(report)[0]
    assert {stranger} == {finding.tenant for finding in report.named}
    assert (3, True) == (report.tenants, report.failed)
    assert Fault.TENANT_UNKNOWN in (await verify_ledger(db, [])).counts


async def test_another_tenants_key_is_no_key(db: Database, ledger: str, database_url: str) -> None:
    """P4: a key that exists, elsewhere, pays for nothing here."""
    theirs = "0199bbbb-0000-7000-8000-0000000000bb"
    make_tenant(database_url, str(uuid.UUID(int=4)), keys=[theirs])
    insert(database_url, [entry(OTHER, NOW_MS, 5, key_id=theirs, cost_usd=None)])
    assert [(Fault.KEY_UNKNOWN, id_at(NOW_MS, 5))] == faults(await verify_ledger(db, [OTHER]))


async def test_a_cost_that_is_a_lower_bound_is_a_warning(
    db: Database, ledger: str, admin_dsn: str
) -> None:
    """P1: exact as far as the usage goes, and named because that is not all the way."""
    run_as_admin(admin_dsn, CHANGED.format("error = 'usage-partial'"))
    report = await verify_ledger(db, [TENANT])
    assert [(Fault.PARTIAL, THIRD)] == faults(report)
    assert not report.failed


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, True),
        ({"outcome": "client_gone"}, True),
        ({"input": 0, "output": 0, "web_fetch": 1}, True),
        ({"error": "usage-missing"}, False),
        ({"input": 0, "output": 0, "reasoning": 1}, False),
        ({"usage_known": False}, False),
        ({"state": "refused"}, False),
        ({"tenant_id": OTHER}, False),
    ],
)
async def test_tokens_that_cost_nothing_known_are_a_warning_where_a_price_is_needed(
    db: Database, ledger: str, database_url: str, changes: dict[str, object], warned: bool
) -> None:
    """P1: under `refuse` no call begins without a price; one that ends without one shows."""
    insert(database_url, [entry(TENANT, NOW_MS, 6, **{"cost_usd": None, **changes})])
    report = await verify_ledger(db, [TENANT, OTHER])
    assert ([(Fault.UNPRICED, id_at(NOW_MS, 6))] if warned else []) == faults(report)
    assert not report.failed


async def test_a_class_that_the_price_does_not_know_is_a_warning(
    db: Database, ledger: str, database_url: str, price: Price
) -> None:
    """P1: sound under a price of text has no known cost, and that shows."""
    row = entry(TENANT, NOW_MS, 6, cost_usd=None, price_id=price.id, input_audio=1)
    insert(database_url, [row])
    assert {Fault.UNPRICED: 1} == (await verify_ledger(db, [TENANT])).counts


async def test_names_are_bounded_and_counts_are_not(
    db: Database, ledger: str, database_url: str
) -> None:
    """Section 9: a broken ledger of millions does not fill the memory of who looks at it."""
    rows = [entry(OTHER, NOW_MS + n, n) for n in range(NAMED_PER_FAULT + 30)]
    insert(database_url, rows)
    report = await verify_ledger(db, [OTHER])
    assert {Fault.COST_WITHOUT_PRICE: NAMED_PER_FAULT + 30} == report.counts
    assert NAMED_PER_FAULT == len(report.named)
    assert Decimal("0.003") * (NAMED_PER_FAULT + 30) == report.cost_usd
