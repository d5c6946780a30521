"""``meterr budget events``: what the drain noted when budgets filled."""

from datetime import UTC, datetime
from typing import Any

import psycopg

from ledger.ledger_rows import entry, insert
from support.command_line import CommandLine


def lend(admin: str, tenant: str, rule: dict[str, Any]) -> int:
    """Lend all of a budget's present window to one process; return the lease."""
    terms = (tenant, rule["limit_id"], datetime.now(UTC), rule["amount"])
    with psycopg.connect(admin) as conn:
        conn.execute(
            "insert into meterr.limit_pool (tenant_id, limit_id, starts_at, taken)"
            " values (%s, %s, %s, %s)",
            terms,
        )
        row = conn.execute(
            "insert into meterr.limit_lease (tenant_id, limit_id, starts_at, granted, process,"
            " expires_at) values (%s, %s, %s, %s, gen_random_uuid(), 'infinity')"
            " returning lease_id",
            terms,
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_events_of_budgets_are_listed_newest_first(
    meterr: CommandLine, dsn: str, admin: str
) -> None:
    """Issue 3, item 2: which budget reached what share of its amount, when; hard or soft."""
    made = meterr.ok("tenant", "create", "acme", "--json")
    tenant = str(made.items[0]["tenant_id"])
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    budgets = []
    for number, more in enumerate((["--owner", "ada"], ["--model", "gpt-*", "--soft"])):
        made = meterr.ok("budget", "set", "9", "--per", "day", "--tenant", "acme", "--json", *more)
        budgets.append(made.items[0])
        lease = lend(admin, tenant, made.items[0])
        row = entry(tenant, now_ms, number, cost_usd="7.3", leases=[lease])
        insert(dsn, [{**row, "model": "gpt-5.4"}])
    owners, soft = budgets

    listed = meterr.ok("budget", "events", "--tenant", "acme", "--json")
    assert "meterr.limit-events/1" == listed.json["schema"]
    assert [
        (soft["limit_id"], 80, False), (soft["limit_id"], 50, False),
        (owners["limit_id"], 80, True), (owners["limit_id"], 50, True),
    ] == [(each["limit_id"], each["percent"], each["hard"]) for each in listed.items]  # fmt: skip
    assert {("7.3", "9", "day")} == {
        (each["spent"], each["amount"], each["per"]) for each in listed.items
    }
    assert ("owner", "ada", "*") == tuple(
        listed.items[-1][name] for name in ("holder", "subject", "model")
    )
    told = meterr.ok("budget", "events").rows
    assert ["acme", "80", "no", "tenant", "-", "gpt-*"] == [told[0][0], *told[0][2:7]]
    assert [] == meterr.ok("budget", "events", "--to", "1h", "--json").items
    assert 4 == len(meterr.ok("budget", "events", "--from", "1h", "--tz", "Asia/Tokyo").rows)
    for each in budgets:
        meterr.ok("budget", "end", each["limit_id"], "--tenant", "acme")
    assert 4 == len(meterr.ok("budget", "events").rows)
