"""``meterr budget`` and ``meterr limit``: rules set, listed, ended, and tried on the past."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ledger.ledger_rows import entry, insert, make_partitions
from support.command_line import CommandLine

_MS = 1000


@pytest.fixture(scope="module")
def tenant(meterr: CommandLine) -> str:
    """Id of a tenant in Berlin."""
    made = meterr.ok("tenant", "create", "acme", "--time-zone", "Europe/Berlin", "--json")
    return str(made.items[0]["tenant_id"])


@pytest.fixture(scope="module")
def keys(meterr: CommandLine, tenant: str) -> dict[str, str]:
    """Ids of two keys of ada and one of nobody, by name."""
    assert tenant
    made = {}
    for name, more in (("one", ["--owner", "ada"]), ("two", ["--owner", "ada"]), ("three", [])):
        created = meterr.ok("key", "create", "--tenant", "acme", "--name", name, *more, "--json")
        made[name] = str(created.items[0]["key_id"])
    return made


@pytest.fixture(scope="module", autouse=True)
def _calls(dsn: str, tenant: str, keys: dict[str, str]) -> None:
    """Six calls a second apart, an hour ago, ten dollars and 150 tokens each; one refused."""
    start = datetime.now(UTC) - timedelta(hours=1)
    make_partitions(dsn, start.date(), datetime.now(UTC).date())
    for number, name in enumerate(("one", "two", "three", "one", "two", "one")):
        at_ms = int(start.timestamp() * _MS) + number * 1000
        terms = {"key_id": keys[name], "cost_usd": "10", "duration_ms": 1500}
        row = entry(tenant, at_ms, number, **terms)
        insert(dsn, [{**row, "model": "gpt-5.4", "input": 100, "output": 50}])
    refused = {"state": "refused", "status": 429, "usage_known": False, "cost_usd": None}
    refused |= {"input": 0, "output": 0, "key_id": keys["one"]}
    insert(dsn, [entry(tenant, int(start.timestamp() * _MS), 70, **refused)])


def dry(meterr: CommandLine, *arguments: str) -> dict[str, Any]:
    found = meterr.ok(*arguments, "--tenant", "acme", "--dry-run", "7d", "--json").json
    assert isinstance(found, dict)
    return found


def test_a_budget_is_set_changed_listed_and_ended(
    meterr: CommandLine, keys: dict[str, str]
) -> None:
    """Issue 3: per tenant, owner and key, per model; the same budget again changes its amount."""
    base = ("budget", "set", "--tenant", "acme", "--json", "--per", "month", "--model", "kimi-*")
    first = meterr.ok(*base, "250.00", "--owner", "ada").items[0]
    again = meterr.ok(*base, "0.10", "--owner", "ada", "--soft").items[0]
    assert first["limit_id"] == again["limit_id"]
    assert ("owner", "ada", "kimi-*", "0.1", "month", False) == tuple(
        again[name] for name in ("holder", "subject", "model", "amount", "per", "hard")
    )
    meterr.ok(*base, "5", "--key", keys["one"])
    listed = meterr.ok("budget", "list", "--tenant", "acme", "--json")
    assert "meterr.limits/1" == listed.json["schema"]
    assert {"ada", keys["one"]} == {item["subject"] for item in listed.items}
    assert {"0.1", "5"} == {item["remaining"] for item in listed.items}
    assert all(item["starts_at"] < item["ends_at"] for item in listed.items)
    for item in listed.items:
        meterr.ok("budget", "end", str(item["limit_id"]), "--tenant", "acme")
    assert [] == meterr.ok("budget", "list", "--tenant", "acme", "--json").items
    assert 2 == len(meterr.ok("budget", "list", "--ended", "--json").items)
    assert 1 == meterr("budget", "end", str(first["limit_id"]), "--tenant", "acme").status


def test_a_new_budget_says_what_its_window_has_spent_already(meterr: CommandLine) -> None:
    """What was spent before it was set is spent; the list says the same."""
    made = meterr.ok("budget", "set", "120", "--per", "total", "--owner", "ada", "--tenant", "acme")
    assert "50.000000 USD of its present window are spent already." in made.err
    (listed,) = meterr.ok("budget", "list", "--tenant", "acme", "--json").items
    assert ("50", "50", "70") == (listed["taken"], listed["spent"], listed["remaining"])
    meterr.ok("budget", "end", str(listed["limit_id"]), "--tenant", "acme")


def test_limits_and_budgets_are_listed_apart(meterr: CommandLine) -> None:
    """Each command shows what it sets."""
    made = meterr.ok("limit", "set", "requests", "60", "--tenant", "acme", "--json").items[0]
    assert ("requests", "60", "minute") == (made["measure"], made["amount"], made["per"])
    busy = meterr.ok("limit", "set", "concurrency", "4", "--tenant", "acme", "--json").items[0]
    assert "call" == busy["per"]
    assert 2 == len(meterr.ok("limit", "list", "--tenant", "acme").rows)
    assert [] == meterr.ok("budget", "list", "--tenant", "acme").rows
    for each in (made, busy):
        meterr.ok("limit", "end", each["limit_id"], "--tenant", "acme")


def test_a_zone_that_this_machine_does_not_know_is_told_with_its_tenant(
    meterr: CommandLine, admin: str
) -> None:
    """Another host's files may know more zones; the operator learns which tenant it is."""
    meterr.ok("tenant", "create", "odd")
    meterr.ok("budget", "set", "5", "--per", "day", "--tenant", "odd")
    with psycopg.connect(admin) as conn:
        conn.execute("alter table meterr.tenant disable trigger known_time_zone")
        conn.execute("update meterr.tenant set time_zone = 'Mars/Base' where name = 'odd'")
        conn.execute("alter table meterr.tenant enable trigger known_time_zone")
    told = meterr("budget", "list")
    assert (2, "") == (told.status, told.out)
    assert "Tenant odd: That is not an IANA time zone" in told.err
    meterr.ok("budget", "list", "--tenant", "acme")
    meterr.ok("tenant", "set", "odd", "--time-zone", "UTC")
    meterr.ok("budget", "list")


def test_a_dry_run_of_a_budget_lists_what_would_have_been_refused(
    meterr: CommandLine, keys: dict[str, str]
) -> None:
    """Issue 3: the last days against the new rule: by model and key, the first with time and id."""
    found = dry(meterr, "budget", "set", "35", "--per", "total")
    assert (6, 3, 0) == (found["calls"], found["refused"], found["unpriced"])
    assert "meterr.dry-run/1" == found["schema"]
    assert {("one", 3, 2, "20"), ("two", 2, 1, "10"), ("three", 1, 0, "0")} == {
        (each["key"], each["calls"], each["refused"], each["refused_usd"])
        for each in found["items"]
    }
    first = found["first_refused"][0]
    assert (keys["one"], "10", "gpt-5.4") == (first["key_id"], first["cost_usd"], first["model"])
    assert first["at"] < found["until"]
    assert [] == meterr.ok("budget", "list", "--tenant", "acme", "--json").items


@pytest.mark.parametrize(
    ("arguments", "calls", "refused"),
    [
        (["budget", "set", "25", "--per", "total", "--owner", "ada"], 5, 3),
        (["budget", "set", "60", "--per", "month"], 6, 0),
        (["budget", "set", "35", "--per", "total", "--model", "GPT-5*"], 6, 3),
        (["budget", "set", "0", "--per", "day", "--model", "kimi-*"], 0, 0),
        (["limit", "set", "requests", "4"], 6, 2),
        (["limit", "set", "tokens", "450"], 6, 3),
        (["limit", "set", "concurrency", "1"], 6, 3),
        (["limit", "set", "concurrency", "2"], 6, 0),
    ],
)
def test_a_dry_run_knows_every_measure_and_holder(
    meterr: CommandLine, arguments: list[str], calls: int, refused: int
) -> None:
    """Issue 3: what left for a provider is replayed in order; a refused call frees its place."""
    found = dry(meterr, *arguments)
    assert (calls, refused) == (found["calls"], found["refused"])


def test_a_dry_run_begins_with_what_its_window_has_spent_before(
    meterr: CommandLine, dsn: str
) -> None:
    """A budget for ever that was used up last month would have refused all of last week."""
    dated = datetime.now(UTC) - timedelta(days=40)
    make_partitions(dsn, dated.date(), dated.date())
    made = meterr.ok("tenant", "create", "old", "--json").items[0]
    key = meterr.ok("key", "create", "--tenant", "old", "--name", "k", "--json").items[0]
    for back, cost in ((timedelta(days=40), "30"), (timedelta(hours=1), "10")):
        at_ms = int((datetime.now(UTC) - back).timestamp() * _MS)
        insert(dsn, [entry(str(made["tenant_id"]), at_ms, 1, key_id=key["key_id"], cost_usd=cost)])
    asked = ("--tenant", "old", "--dry-run", "7d", "--json")
    for amount, refused in (("35", 1), ("40", 0)):
        found = meterr.ok("budget", "set", amount, "--per", "total", *asked).json
        assert (1, refused) == (found["calls"], found["refused"])


def test_a_dry_run_draws_what_calls_drew(meterr: CommandLine, dsn: str) -> None:
    """A call that was cut draws all it had reserved, whatever of it is known to have cost."""
    made = meterr.ok("tenant", "create", "cut", "--json").items[0]
    key = meterr.ok("key", "create", "--tenant", "cut", "--name", "k", "--json").items[0]
    at_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * _MS)
    for number in (1, 2):
        terms = {"key_id": key["key_id"], "cost_usd": "1", "drawn_usd": "8"}
        insert(dsn, [entry(str(made["tenant_id"]), at_ms, number, **terms)])
    asked = ("--tenant", "cut", "--dry-run", "7d", "--json")
    found = meterr.ok("budget", "set", "10", "--per", "day", *asked).json
    assert (2, 1) == (found["calls"], found["refused"])


def test_a_dry_run_is_told_to_a_person_with_the_first_refusals(meterr: CommandLine) -> None:
    """The table on standard output, the sentence on standard error."""
    told = meterr.ok("budget", "set", "35", "--per", "total", "--tenant", "acme", "--dry-run", "7d")
    assert "3 of 6 calls would have been refused; nothing was written." in told.err
    assert ["acme", "gpt-5.4", "one", "3", "2", "20.000000"] == told.rows[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["budget", "set", "--per", "day", "--", "-5"], "amount must not be negative"),
        (["budget", "set", "5", "--per", "day", "-m", "x"], "No such option"),
        (["budget", "set", "5", "--per", "mounth"], "did you mean month?"),
        (["budget", "set", "5", "--per", "day", "--modle", "x"], "--model"),
        (["budget", "set", "5"], "--per"),
        (["budget", "set", "5", "--per", "day", "--owner", "a", "--key", "b"], "exclude"),
        (["budget", "set", "5", "--per", "day", "--key", "nobody"], "id of a key"),
        (["budget", "set", "5", "--per", "day", "--dry-run", "soon"], "span"),
        (["limit", "set", "request", "5"], "did you mean requests?"),
        (["limit", "set", "requests", "1.5"], "whole number"),
        (["limit", "set", "tokens", "5", "--model", "a b"], "spaces"),
        (["tenant", "create", "x", "--time-zone", "Europe/Berln"], "Did you mean 'Europe/Berlin'?"),
        (["tenant", "set", "acme", "--time-zone", "Mars/Base"], "IANA"),
        (["key", "create", "--tenant", "acme", "--name", "k", "--send-output-default"], "nothing"),
        (["key", "create", "--name", "k", "--output-tokens-default", "0"], "x>=1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(
    meterr: CommandLine, arguments: list[str], says: str
) -> None:
    """Issue 3: configuration that cannot be misread; nothing is written."""
    result = meterr(*arguments)
    assert 2 == result.status, result
    assert says in result.err
    assert [] == meterr.ok("budget", "list", "--json", "--tenant", "acme").items


@pytest.mark.parametrize("amount", ["-5", "-0.01", "-.5", "-1e999", "-inf", "-NaN", "-$5", "-5,00"])
@pytest.mark.parametrize("rule", [("budget", "set", "--per", "day"), ("limit", "set", "tokens")])
def test_a_negative_amount_is_told_as_such_and_not_as_an_option(
    meterr: CommandLine, rule: tuple[str, ...], amount: str
) -> None:
    """Issue 3, bad input: names the field and the way out; with --json, too."""
    for more in ((), ("--json",), ("--tenant", "acme")):
        result = meterr(*rule, amount, *more)
        assert (2, "") == (result.status, result.out)
        assert "amount must not be negative; the least is 0" in result.err


@pytest.mark.parametrize("amount", ["NaN", "inf", "1e999", "1e3", "5,00", "$5", "+5", "", "5 USD"])
def test_an_amount_that_is_no_plain_number_is_refused_with_what_one_looks_like(
    meterr: CommandLine, amount: str
) -> None:
    """Issue 3, bad input: the same field, whatever stands in it."""
    budget = meterr("budget", "set", amount, "--per", "day")
    assert (2, "") == (budget.status, budget.out)
    assert "amount must be US dollars as a plain decimal" in budget.err
    assert "such as 5 or 0.50" in budget.err
    limit = meterr("limit", "set", "tokens", amount)
    assert (2, "") == (limit.status, limit.out)
    assert "amount must be a whole number of tokens" in limit.err


def test_a_tenant_shows_its_time_zone_and_a_key_its_owner(meterr: CommandLine) -> None:
    """What budgets depend on is shown in the lists."""
    meterr.ok("tenant", "create", "tokyo", "--time-zone", "UTC")
    meterr.ok("tenant", "set", "tokyo", "--time-zone", "Asia/Tokyo")
    zones = {
        each["name"]: each["time_zone"] for each in meterr.ok("tenant", "list", "--json").items
    }
    assert {"acme": "Europe/Berlin", "tokyo": "Asia/Tokyo"}.items() <= zones.items()
    made = meterr.ok(
        "key", "create", "--tenant", "tokyo", "--name", "k", "--owner", "yuki", "--json",
        "--output-tokens-default", "800", "--send-output-default",
    ).items[0]  # fmt: skip
    assert ("yuki", 800, True) == tuple(
        made[each] for each in ("owner", "output_tokens_default", "send_output_default")
    )
    assert made | {"secret": None} == {
        **meterr.ok("key", "list", "--tenant", "tokyo", "--json").items[0], "secret": None,
    }  # fmt: skip
