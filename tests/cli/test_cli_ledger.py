"""``meterr ledger export``: its options, statuses and forms, and what a kill leaves behind."""

import json
import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ledger.ledger_rows import entry, insert, make_partitions, run_as_admin
from support.command_line import CommandLine

_DAYS = tuple(date(2026, 3, 1) + timedelta(days=n) for n in range(3))
_MANY = 200_000
_COPIES = """
INSERT INTO meterr.ledger_entry
       (tenant_id, id, at, key_id, surface, upstream, provider, model, state, usage_known, input,
        cost_usd)
SELECT tenant_id, (left(id::text, 24) || lpad(to_hex(1000 + n), 12, '0'))::uuid, at, key_id,
       surface, upstream, provider, model, state, usage_known, n, cost_usd
  FROM meterr.ledger_entry, generate_series(1, {many}) AS n
 WHERE at::date = '{day}' AND model = 'gpt-4.1'
"""


def at_ms(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1000)


@pytest.fixture(scope="module", autouse=True)
def ledger(meterr: CommandLine, dsn: str) -> dict[str, str]:
    """Two tenants with an entry on each of three days; returns their ids by name."""
    made = {
        name: str(meterr.ok("tenant", "create", name, "--json").items[0]["tenant_id"])
        for name in ("acme", "bolt")
    }
    make_partitions(dsn, _DAYS[0], _DAYS[-1])
    for number, day in enumerate(_DAYS):
        insert(dsn, [entry(made["acme"], at_ms(day), number, cost_usd="0.000000000000000001")])
        insert(dsn, [entry(made["bolt"], at_ms(day), number, model="kimi-k3", cost_usd=None)])
    return made


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def days_in(root: str) -> list[str]:
    return sorted(path.name for path in Path(root).glob("day=*"))


def test_the_export_tells_each_day_and_the_sum(meterr: CommandLine, root: str) -> None:
    """P1: costs travel exactly, progress on standard error."""
    made = meterr.ok("ledger", "export", "--to", root, "--json")
    assert "meterr.ledger_export/1" == made.json["schema"]
    assert [(str(day), "missing", True, 2) for day in _DAYS] == [
        (item["day"], item["state"], item["written"], item["entries"]) for item in made.items
    ]
    assert (6, "0.000000000000000003", False) == (
        made.json["entries"],
        made.json["cost_usd"],
        made.json["failed"],
    )
    assert "3 written" in made.err
    assert [f"day={day}" for day in _DAYS] == days_in(root)
    again = meterr.ok("ledger", "export", "--to", root)
    assert ["current", "no"] == again.rows[0][1:3]


def test_the_period_is_days_with_an_exclusive_end(meterr: CommandLine, root: str) -> None:
    """The same half-open period as in the other commands."""
    period = ("--from", str(_DAYS[1]), "--to-day", str(_DAYS[2]))
    meterr.ok("ledger", "export", "--to", root, *period)
    assert [f"day={_DAYS[1]}"] == days_in(root)


def test_one_tenant_is_exported_by_name(
    meterr: CommandLine, root: str, ledger: dict[str, str]
) -> None:
    """P4: and into a folder of its own."""
    meterr.ok("ledger", "export", "--to", root, "--tenant", "bolt")
    files = f"{root}/*/*.parquet"
    found = duckdb.sql(f"SELECT DISTINCT tenant_id FROM read_parquet('{files}')").fetchall()
    assert [(ledger["bolt"],)] == found
    refused = meterr("ledger", "export", "--to", root, "--json")
    assert (2, "") == (refused.status, refused.out)
    assert "use a folder for each selection" in json.loads(refused.err)["error"]["message"]


def test_the_check_has_an_exit_status(meterr: CommandLine, root: str, dsn: str) -> None:
    """Exit 3: a day without its file, or a file without an entry that came later."""
    period = ("--to", root, "--to-day", str(_DAYS[2]))
    unwritten = meterr("ledger", "export", *period, "--check", "--json")
    assert (3, True) == (unwritten.status, unwritten.json["failed"])
    assert not Path(root).exists()
    meterr.ok("ledger", "export", *period)
    meterr.ok("ledger", "export", *period, "--check")
    tenant = meterr.ok("tenant", "list", "--json").items[0]["tenant_id"]
    insert(dsn, [entry(tenant, at_ms(_DAYS[0]) + 5, 9, model="late", cost_usd="0")])
    late = meterr("ledger", "export", *period, "--check")
    assert (3, ["late", "no"]) == (late.status, late.rows[0][1:3])
    written = meterr.ok("ledger", "export", *period)
    assert ["late", "yes"] == written.rows[0][1:3]
    meterr.ok("ledger", "export", *period, "--check")


def test_a_file_that_is_not_ours_is_a_finding(meterr: CommandLine, root: str) -> None:
    """Exit 3: the export says which day it could not write."""
    place = Path(root) / f"day={_DAYS[0]}"
    place.mkdir(parents=True)
    (place / "part-0.parquet").write_text("mine")
    found = meterr("ledger", "export", "--to", root, "--json")
    assert (3, "unreadable") == (found.status, found.items[0]["state"])
    assert "mine" == (place / "part-0.parquet").read_text()
    assert {True} == {item["written"] for item in found.items[1:]}


def test_today_is_never_exported(meterr: CommandLine, root: str, dsn: str) -> None:
    """Issue 3, 8: closed days only; --include-recent shortens the wait, not the day."""
    now = datetime.now(UTC)
    today = now.date()
    tenant = meterr.ok("tenant", "list", "--json").items[0]["tenant_id"]
    insert(dsn, [entry(tenant, int(now.timestamp() * 1000), 8, model="today")])
    meterr.ok("ledger", "export", "--to", root, "--include-recent", "--to-day", "2100-01-01")
    assert not {f"day={today}", f"day={datetime.now(UTC).date()}"} & set(days_in(root))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--from", "2026-03-02"), "--to"),
        (("--to", "x", "--from", "2026-03-02T10:00"), "no day"),
        (("--to", "x", "--from", "soon"), "no date"),
        (("--to", "x", "--from", "2026-03-02", "--to-day", "2026-03-02"), "No day"),
        (("--to", "x", "--from", "2100-01-01"), "No day"),
        (("--to", "x", "--tenant", "nobody"), "nobody"),
        (("--to", "x", "--form", "2026-03-02"), "--form"),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_written(
    meterr: CommandLine, arguments: tuple[str, ...], named: str
) -> None:
    """Issue 3, bad input: the option is named, no folder is made."""
    refused = meterr("ledger", "export", *arguments)
    assert refused.status in (1, 2)
    assert named in refused.err
    assert not (meterr.folder / "x").exists()


def test_killed_in_the_middle_it_leaves_whole_files_and_continues(
    meterr: CommandLine, root: str, admin: str
) -> None:
    """Issue 3, 8: kill -9 of the real process while it writes a day; nothing looks complete."""
    run_as_admin(admin, _COPIES.format(many=_MANY, day=_DAYS[1]))
    with meterr.process("ledger", "export", "--to", root) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL == process.returncode
    assert f"{_DAYS[1]}: " in told
    assert [f"day={_DAYS[0]}"] == days_in(root)
    assert 1 == len(list((Path(root) / ".unfinished").glob("*.draft")))

    continued = meterr.ok("ledger", "export", "--to", root, "--json")
    assert [False, True, True] == [item["written"] for item in continued.items]
    assert [] == list((Path(root) / ".unfinished").glob("*.draft"))
    meterr.ok("ledger", "export", "--to", root, "--check")
    whole = pq.ParquetFile(f"{root}/day={_DAYS[1]}/part-0.parquet").metadata
    assert whole.num_rows > _MANY
    assert whole.num_row_groups > 1
