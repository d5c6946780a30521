"""``meterr usage``, ``logs`` and ``verify ledger``: exact figures in every form."""

import csv
import json
import shutil
import signal
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from itertools import count
from pathlib import Path

import pytest

from ledger.ledger_rows import entry, id_at, insert, insert_price, make_partitions, run_as_admin
from meterr.core.money import wire
from meterr.ledger import PriceBook, Pricer
from meterr.ledger.model import Usage
from support.command_line import CommandLine

_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_AT_MS = int(_NOON.timestamp() * 1000)
_DAY_MS = 86_400_000
_PERIOD = ("--from", "2026-11-20", "--to", "2026-11-22")
_NUMBER = count(1_000)


@pytest.fixture(scope="module")
def tenant(meterr: CommandLine) -> str:
    made = meterr.ok("tenant", "create", "acme", "--unknown-price", "flag", "--json")
    return str(made.items[0]["tenant_id"])


@pytest.fixture(scope="module")
def key_id(meterr: CommandLine, tenant: str) -> str:
    made = meterr.ok("key", "create", "--tenant", "acme", "--name", "app", "--json")
    return str(made.items[0]["key_id"])


@pytest.fixture(scope="module", autouse=True)
def ledger(dsn: str, tenant: str, key_id: str) -> None:
    """Three priced calls on two days, one refused, one without a known price."""
    make_partitions(dsn, date(2026, 11, 20), date(2026, 11, 21))
    price = PriceBook.bundled().resolve("openai", "gpt-5.4", "", _AT_MS)
    assert price is not None
    insert_price(dsn, price)
    for number, at_ms in enumerate((_AT_MS, _AT_MS + 1, _AT_MS + _DAY_MS)):
        cost = Pricer(price).cost(Usage(input=1_000, cache_read=10, output=1))
        assert cost is not None
        row = entry(tenant, at_ms, number, key_id=key_id, price_id=price.id, cost_usd=wire(cost))
        insert(dsn, [{**row, "model": "gpt-5.4", "cache_read": 10, "output": 1}])
    refused = {"state": "refused", "status": 402, "usage_known": False, "cost_usd": None}
    refused |= {"input": 0, "output": 0, "model": "gpt-nobody-made"}
    insert(dsn, [entry(tenant, _AT_MS, 90, key_id=key_id, **refused)])
    insert(dsn, [entry(tenant, _AT_MS, 91, key_id=key_id, model="own-llama", cost_usd=None)])


def one_cost() -> Decimal:
    """Return the cost of one priced call, by hand: USD 2.5, 0.25 and 15 per million tokens."""
    return (1_000 * Decimal("2.5") + 10 * Decimal("0.25") + 15) / 1_000_000


def test_usage_in_json_is_exact(meterr: CommandLine) -> None:
    """P2: strings on every wire, unrounded; what has no cost is counted, not hidden."""
    found = meterr.ok("usage", "--by", "model", *_PERIOD, "--json")
    rows = {item["model"]: item for item in found.items}

    assert "meterr.usage/1" == found.json["schema"]
    assert wire(3 * one_cost()) == rows["gpt-5.4"]["cost_usd"]
    assert (3, 3_030, 30, 3) == tuple(
        rows["gpt-5.4"][name]
        for name in ("calls", "prompt_tokens", "cached_tokens", "answer_tokens")
    )
    assert (None, 1) == (rows["own-llama"]["cost_usd"], rows["own-llama"]["unpriced"])
    assert (None, 1) == (rows["gpt-nobody-made"]["cost_usd"], rows["gpt-nobody-made"]["refused"])
    (total,) = found.json["totals"]
    assert (5, wire(3 * one_cost())) == (total["calls"], total["cost_usd"])


def test_usage_by_three_dimensions_in_csv(meterr: CommandLine, key_id: str) -> None:
    """Issue 2, item 10: `--by model,key,day`; keys by the names that people gave them."""
    found = meterr.ok("usage", "--by", "model,key,day", *_PERIOD, "--csv")
    rows = list(csv.DictReader(StringIO(found.out)))
    by_day = {row["day"]: row for row in rows if row["model"] == "gpt-5.4"}

    assert ["tenant", "model", "key", "day", "calls"] == list(rows[0])[:5]
    assert {"2026-11-20": "2", "2026-11-21": "1"} == {d: r["calls"] for d, r in by_day.items()}
    assert wire(2 * one_cost()) == by_day["2026-11-20"]["cost_usd"]
    assert {"app"} == {row["key"] for row in rows}
    asked = meterr.ok("usage", "--by", "key", *_PERIOD, "--json")
    assert [key_id] == [item["key_id"] for item in asked.items]


def test_days_are_those_of_the_zone(meterr: CommandLine) -> None:
    """A day of Auckland begins before that of UTC: noon of the 20th is the 21st there."""
    found = meterr.ok("usage", "--by", "day", "--tz", "Pacific/Auckland", *_PERIOD, "--json")
    assert ["2026-11-21"] == [item["day"] for item in found.items]


def test_usage_in_a_pipe_is_tabs_and_the_total_goes_to_the_person(meterr: CommandLine) -> None:
    """S3.2: data on standard output, the rest on standard error."""
    found = meterr.ok("usage", "--by", "model", *_PERIOD)
    assert {13} == {len(row) for row in found.rows}
    assert "acme: 5 calls, " in found.err
    assert "acme: " not in found.out


def test_logs_are_newest_first_with_the_same_cost(meterr: CommandLine) -> None:
    """One entry per call, as it is stored."""
    found = meterr.ok("logs", *_PERIOD, "--json")
    times = [item["at"] for item in found.items]
    assert 5 == len(times)
    assert sorted(times, reverse=True) == times
    priced = [item for item in found.items if item["model"] == "gpt-5.4"]
    assert {wire(one_cost())} == {item["cost_usd"] for item in priced}
    assert "meterr.calls/1" == found.json["schema"]


@pytest.mark.parametrize(
    ("options", "models"),
    [
        (["--state", "refused"], ["gpt-nobody-made"]),
        (["--unpriced"], ["own-llama"]),
        (["--failed"], ["gpt-nobody-made"]),
        (["--model", "own-llama"], ["own-llama"]),
        (["--limit", "1"], ["gpt-5.4"]),
        (["--tenant", "acme", "--model", "none"], []),
    ],
)
def test_logs_can_be_filtered(meterr: CommandLine, options: list[str], models: list[str]) -> None:
    """What is asked for, and nothing else."""
    found = meterr.ok("logs", *_PERIOD, "--json", *options)
    assert models == [item["model"] for item in found.items]


def test_followed_logs_show_a_new_call_and_end_with_130(
    meterr: CommandLine, dsn: str, tenant: str, key_id: str
) -> None:
    """Issue 2, item 10: `logs -f`; one JSON object a line, from now on, until Ctrl+C."""
    with meterr.process("logs", "-f", "--json") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "Following" in process.stderr.readline()
        now_ms = time.time_ns() // 1_000_000
        today = datetime.fromtimestamp(now_ms / 1_000, UTC).date()
        make_partitions(dsn, today, today)
        number = next(_NUMBER)
        new = entry(tenant, now_ms, number, key_id=key_id, model="just-now", cost_usd=None)
        insert(dsn, [new])
        shown = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (new["id"], "just-now", "acme") == (shown["id"], shown["model"], shown["tenant"])
    assert 130 == process.returncode
    assert "Traceback" not in err


def test_a_sound_ledger_verifies(meterr: CommandLine) -> None:
    """P1: every stored cost is what its tokens and its price give; exit 0."""
    found = meterr.ok("verify", "ledger", "--json")
    assert ("meterr.verification/1", [], False) == (
        found.json["schema"],
        found.items,
        found.json["failed"],
    )
    assert found.json["entries"] >= 5
    assert wire(3 * one_cost()) == found.json["cost_usd"]
    assert "every stored cost is exact" in found.err


def test_a_cost_that_somebody_changed_is_found_and_named(meterr: CommandLine, admin: str) -> None:
    """S3.2: exit 3 is a finding; the faulty entry is named, and the others are not."""
    changed = id_at(_AT_MS + 1, 1)
    update = "update meterr.ledger_entry set cost_usd = cost_usd {} 1e-18 where id = '{}'"
    run_as_admin(admin, update.format("+", changed))
    try:
        found = meterr("verify", "ledger", "--json")
        piped = meterr("verify", "ledger")
    finally:
        run_as_admin(admin, update.format("-", changed))

    assert 3 == found.status == piped.status
    assert [("cost-differs", changed)] == [(e["fault"], e["entry"]) for e in found.items]
    assert [changed] == [row[2] for row in piped.rows]
    assert "1 faults" in piped.err


def test_records_that_the_ledger_refused_are_a_finding(meterr: CommandLine) -> None:
    """P2: never silent: what lies aside in the journal fails the verification, file by file."""
    root = Path(meterr.environment["METERR_DATA_DIR"]) / "journal"
    for name, content in (("rejected/p.journal", b"one\ntwo\n"), ("damaged/p-1.journal", b"x")):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    process = root / "01990000-0000-7000-8000-00000000000d"
    process.mkdir()
    (process / "00000001.journal").write_bytes(b"7 bytes" + bytes(3_000_000))
    try:
        found = meterr("verify", "ledger", "--json")
        doctor = meterr("doctor", "--json")
    finally:
        shutil.rmtree(root)

    assert 3 == found.status == doctor.status
    assert [
        ("journal-rejected", "rejected/p.journal", "2 records, 8 bytes"),
        ("journal-damaged", "damaged/p-1.journal", "1 bytes"),
    ] == [(item["fault"], item["entry"], item["detail"]) for item in found.items]
    assert {"journal-rejected": 1, "journal-damaged": 1} == found.json["counts"]
    assert (7, True) == (found.json["journal_bytes_max"], found.json["failed"])
    assert "Each start of meterr offers them again" in found.err
    assert "At most 7 bytes of journal" in found.err
    (journal,) = (item for item in doctor.items if item["check"] == "journal")
    assert "wrong" == journal["verdict"]
    assert "1 files with 2 records" in journal["detail"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["usage", "--by", "colour"], "choose from day, hour, key, model"),
        (["usage", "--json", "--csv"], "exclude each other"),
        (["usage", "--from", "yesterday-ish"], "yesterday-ish"),
        (["usage", "--tz", "Mars/Olympus"], "IANA time zone"),
        (["usage", "--from", "2026-11-22", "--to", "2026-11-20"], "meterr: "),
        (["logs", "--key", "no-id"], "key"),
        (["logs", "--limit", "0"], "limit"),
        (["logs", "--sate", "refused"], "--state"),
        (["verify", "leger"], "ledger"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_usage_error(
    meterr: CommandLine, arguments: list[str], said: str
) -> None:
    """S3.2: exit 2, one clear text, nothing on standard output."""
    result = meterr(*arguments)
    assert (2, "") == (result.status, result.out), result
    assert said in result.err
    assert "Traceback" not in result.err


def test_a_tenant_that_does_not_exist_is_a_failure(meterr: CommandLine) -> None:
    """An empty report would say that nothing was spent."""
    for command in (["usage"], ["logs"], ["verify", "ledger"]):
        result = meterr(*command, "--tenant", "nobody")
        assert (1, "") == (result.status, result.out), result
        assert "nobody" in result.err
