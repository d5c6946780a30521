"""``meterr reconcile``: a provider's own bill against the ledger, as a script sees it."""

import csv
import json
from datetime import date
from io import StringIO
from pathlib import Path

import pytest

from ledger.ledger_rows import entry, insert, make_partitions
from meterr.ledger.reconcile.csv_bill import COLUMNS
from meterr.ledger.reconcile.model import Cause, Measure, Verdict
from support.command_line import CommandLine

BILLS = Path(__file__).parent.parent / "ledger" / "bills"
_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "reconcile-a-bill.md"
_NOON_MS = 1_754_049_600_000  # 1 August 2025, 12:00 UTC
_PERIOD = ("--from", "2025-08-01", "--to", "2025-08-04")
_COLUMNS = ["day", "model", "measure", "theirs", "ours", "difference", "verdict", "explained"]


@pytest.fixture(scope="module", autouse=True)
def ledger(meterr: CommandLine, dsn: str) -> None:
    """Two tenants; one call of a model that was billed, and one interrupted."""
    make_partitions(dsn, date(2025, 8, 1), date(2025, 8, 3))
    tenants = [
        str(meterr.ok("tenant", "create", name, "--json").items[0]["tenant_id"])
        for name in ("acme", "umbrella")
    ]
    model = {"model": "gpt-4o", "answered_model": "gpt-4o-2024-08-06"}
    insert(dsn, [entry(tenants[0], _NOON_MS, 1, **model, cost_usd="0.02")])
    odd = {"state": "interrupted", "estimate": "request-bytes", "cost_usd": "0.005"}
    insert(dsn, [entry(tenants[1], _NOON_MS, 2, **model, **odd)])
    kimi = {"provider": "moonshotai", "upstream": "kimi", "model": "kimi-k2.5"}
    insert(dsn, [entry(tenants[0], _NOON_MS, 3, **kimi)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A bill that agrees with the one call to kimi."""
    path = tmp_path / "kimi.csv"
    path.write_text("date,model,cost_usd,requests\n2025-08-01,kimi-k2.5,0.0030,1\n")
    return path


def test_a_bill_that_agrees_exits_with_0(meterr: CommandLine, table: Path) -> None:
    """Theirs, ours, the difference: equal, and nothing said against it."""
    found = meterr.ok("reconcile", str(table), "--provider", "csv", "--of", "moonshotai", *_PERIOD)
    assert [
        ["2025-08-01", "kimi-k2.5", "usd", "0.003000", "0.003000", "0.000000", "equal", ""],
        ["2025-08-01", "kimi-k2.5", "requests", "1", "1", "0", "equal", ""],
    ] == found.rows
    assert "total usd: theirs 0.003000, ours 0.003000: equal" in found.err
    assert "says nothing about 2025-08-02, 2025-08-03" in found.err


def test_a_bill_that_differs_exits_with_3_and_names_the_entries(meterr: CommandLine) -> None:
    """Issue 3, item 6: per day and model, exact strings, and the entries that explain it."""
    path = str(BILLS / "openai-costs.json")
    found = meterr("reconcile", path, "--provider", "openai", *_PERIOD, "--json")
    rows = {(item["day"], item["model"]): item for item in found.items}
    one = rows["2025-08-01", "gpt-4o-2024-08-06"]

    assert (3, "meterr.reconciliation/1", True) == (
        found.status,
        found.json["schema"],
        found.json["differs"],
    )
    assert ("0.0250100000000000004", "0.025", "0.0000100000000000004", "differs") == tuple(
        one[name] for name in ("theirs", "ours", "difference", "verdict")
    )
    causes = {each["cause"]: each for each in one["explained"]}
    assert {"interrupted", "estimated", "renamed"} == causes.keys()
    assert (1, "0.005", 1) == (
        causes["interrupted"]["calls"],
        causes["interrupted"]["amount"],
        len(causes["interrupted"]["entries"]),
    )
    assert (None, "0.000271") == tuple(
        rows["2025-08-01", "assistants api | file search"][side] for side in ("ours", "theirs")
    )
    assert ("0.0683810000000000004", "0.025") == tuple(
        found.json["totals"][0][side] for side in ("theirs", "ours")
    )


def test_a_bill_in_csv_is_exact_and_opens_in_a_spreadsheet(meterr: CommandLine) -> None:
    """The same figures, one line each, explanations as text."""
    path = str(BILLS / "openai-costs.json")
    found = meterr("reconcile", path, "--provider", "openai", *_PERIOD, "--csv")
    rows = list(csv.DictReader(StringIO(found.out)))
    assert _COLUMNS == list(rows[0])
    (one,) = (row for row in rows if row["model"] == "gpt-4o-2024-08-06")
    assert "0.0250100000000000004" == one["theirs"]
    assert one["explained"].startswith("interrupted: 1 calls, 0.005 (")


def test_a_difference_too_small_to_show_is_shown_whole(meterr: CommandLine, tmp_path: Path) -> None:
    """People read six places, but never that a difference is nothing."""
    path = tmp_path / "kimi.csv"
    path.write_text("date,model,cost_usd\n2025-08-01,kimi-k2.5,0.0030000001\n")
    asked = (str(path), "--provider", "csv", "--of", "moonshotai", *_PERIOD)
    found = meterr("reconcile", *asked)
    assert (3, "0.0000000001") == (found.status, found.rows[0][5])
    assert 0 == meterr("reconcile", *asked, "--tolerance", "0.0000001").status
    assert 0 == meterr("reconcile", *asked, "--tolerance", "1%").status


def test_tenants_can_be_chosen(meterr: CommandLine) -> None:
    """`--tenant`, any number of times: the others' calls are not in it."""
    asked = (str(BILLS / "openai-usage.json"), "--provider", "openai", *_PERIOD, "--json")
    one = meterr("reconcile", *asked, "--tenant", "umbrella")
    both = meterr("reconcile", *asked, "--tenant", "umbrella", "--tenant", "acme")
    again = meterr("reconcile", *asked, "--tenant", "umbrella", "--tenant", "umbrella")

    def requests(found: str) -> str:
        rows = json.loads(found)["items"]
        key = ("gpt-4o-2024-08-06", "requests")
        return next(row["ours"] for row in rows if (row["model"], row["measure"]) == key)

    assert ("1", "2", "1") == (requests(one.out), requests(both.out), requests(again.out))


def test_credits_are_shown_and_not_compared(meterr: CommandLine, tmp_path: Path) -> None:
    """Refused unless allowed; then apart from the figures, for the reader to judge."""
    path = tmp_path / "kimi.csv"
    path.write_text(
        "date,model,cost_usd\n2025-08-01,kimi-k2.5,0.003\n2025-08-01,kimi-k2.5,-0.001\n"
    )
    asked = (str(path), "--provider", "csv", "--of", "moonshotai", *_PERIOD)
    refused = meterr("reconcile", *asked)
    allowed = meterr("reconcile", *asked, "--allow-credits")

    assert 2 == refused.status
    assert f"{path}: line 3, column cost_usd: the amount is below zero" in refused.err
    assert 0 == allowed.status
    assert "credit, not compared: 2025-08-01 kimi-k2.5 -0.001 USD" in allowed.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"date,model,costs_usd\n", "line 1: unknown column 'costs_usd' (did you mean cost_usd?)"),
        (b"date,model\n", "line 1: the column cost_usd is missing"),
        (b"date,model,cost_usd\n2025-08-01,kimi,1 EUR\n", "line 2, column cost_usd: '1 EUR'"),
        (b"date,model,cost_usd\n2025-08-01,kimi,NaN\n", "line 2, column cost_usd: 'NaN'"),
        (b"date,model,cost_usd\n2025-08-09,kimi,1\n", "line 2, column date: 2025-08-09 is out"),
        (b"date,model,cost_usd\n2025-08-01,k\xff,1\n", "line 2: not UTF-8 text"),
    ],
)
def test_a_broken_table_names_file_line_and_field(
    meterr: CommandLine, tmp_path: Path, content: bytes, said: str
) -> None:
    """Issue 3, bad input: exit 2, one clear line, nothing on standard output."""
    path = tmp_path / "bill.csv"
    path.write_bytes(content)
    found = meterr("reconcile", str(path), "--provider", "csv", "--of", "moonshotai", *_PERIOD)
    assert (2, "", 1) == (found.status, found.out, len(found.err.splitlines()))
    assert f"{path}: {said}" in found.err


@pytest.mark.parametrize(
    ("provider", "old", "new", "said"),
    [
        ("openai", '"usd"', '"eur"', "page[0].data[0].results[0].amount.currency: is 'eur'"),
        ("openai", '"value": 0.005', '"value": -0.005', "results[2].amount.value: the amount is b"),
        ("openai", '"amount"', '"amuont"', "results[0].amount: is missing (did you mean amuont?)"),
        ("openai", '"has_more": false', '"has_more": true', "has_more: the file is incomplete"),
        ("openai", "1754265600", "1754179260", "covers only a part of 2025-08-03"),
        ("openai", '"object": "page"', '"object": 1', "page[0].object: must be 'page'"),
        ("openai", "}", "", "broken JSON"),
        ("anthropic", '"USD"', '"GBP"', "data[0].results[0].currency: is 'GBP'"),
        ("anthropic", '"123.78912"', '"abc"', "data[0].results[0].amount: 'abc' is no decimal"),
        ("anthropic", '"starting_at"', '"start_time"', "--provider openai reads it"),
    ],
)
def test_a_broken_report_names_file_path_and_field(
    meterr: CommandLine, tmp_path: Path, provider: str, old: str, new: str, said: str
) -> None:
    """Issue 3, bad input: exit 2, one clear line, JSON when JSON was asked for."""
    path = tmp_path / "bill.json"
    path.write_text((BILLS / f"{provider}-costs.json").read_text().replace(old, new))
    found = meterr("reconcile", str(path), "--provider", provider, *_PERIOD, "--json")
    assert (2, "") == (found.status, found.out)
    error = json.loads(found.err)["error"]
    assert error["code"] == "invalid-request"
    assert error["message"].startswith(f"{path}: ")
    assert said in error["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--provider", "csv", *_PERIOD], "--of is missing"),
        (["--provider", "azure", *_PERIOD], "'azure' is not one of"),
        (["--provider", "openai", "--from", "2025-08-01"], "Missing option '--to'"),
        (["--provider", "openai", "--from", "7d", "--to", "2025-08-04"], "'7d' is no date"),
        (["--provider", "openai", "--from", "2025-08-04", "--to", "2025-08-01"], "later than its"),
        (["--provider", "openai", "--from", "2025-08-01", "--to", "2999-01-01"], "not in UTC"),
        (["--provider", "openai", *_PERIOD, "--tz", "Mars/Base"], "IANA time zone"),
        (["--provider", "openai", *_PERIOD, "--tolerance", "-1"], "at least 0"),
        (["--provider", "openai", *_PERIOD, "--tolerance", "5 percent"], "Write US dollars"),
        (["--provider", "openai", *_PERIOD, "--tolerence", "5"], "--tolerance"),
        (["--provider", "openai", *_PERIOD, "--json", "--csv"], "exclude each other"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_usage_error(
    meterr: CommandLine, arguments: list[str], said: str
) -> None:
    """S3.2: exit 2, one clear text, nothing on standard output."""
    found = meterr("reconcile", str(BILLS / "openai-costs.json"), *arguments)
    assert (2, "") == (found.status, found.out), found
    assert said in found.err


def test_a_file_that_cannot_be_read_is_told(meterr: CommandLine, tmp_path: Path) -> None:
    """The name of the file and the reason, without a traceback."""
    for path, said in ((tmp_path / "none.json", "No such file"), (tmp_path, "Is a directory")):
        found = meterr("reconcile", str(path), "--provider", "openai", *_PERIOD)
        assert (2, "") == (found.status, found.out)
        assert f"{path}: {said}" in found.err


def test_a_tenant_that_does_not_exist_is_a_failure(meterr: CommandLine, table: Path) -> None:
    """A comparison with nobody's calls would say that nothing was booked."""
    asked = (str(table), "--provider", "csv", "--of", "moonshotai", *_PERIOD)
    found = meterr("reconcile", *asked, "--tenant", "nobody")
    assert (1, "") == (found.status, found.out)


def test_the_page_explains_every_word_of_the_answer() -> None:
    """Documentation that is checked: causes, measures, verdicts and columns of the CSV."""
    page = _PAGE.read_text()
    words = [*Cause, *Measure, *Verdict, *COLUMNS, *_COLUMNS[1:]]
    assert [] == [word for word in words if f"`{word}`" not in page]
