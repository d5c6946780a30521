"""``meterr limit leases`` and ``release``: who holds what, and giving up a process that is lost."""

import re
import uuid
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from support.command_line import CommandLine


@pytest.fixture(scope="module")
def tenant(meterr: CommandLine) -> str:
    """Id of a tenant."""
    return str(meterr.ok("tenant", "create", "acme", "--json").items[0]["tenant_id"])


@pytest.fixture(scope="module")
def budget(meterr: CommandLine, tenant: str) -> str:
    """Id of a budget of five dollars in all."""
    made = meterr.ok("budget", "set", "5", "--per", "total", "--tenant", "acme", "--json")
    return str(made.items[0]["limit_id"])


def borrow(
    dsn: str, tenant: str, limit_id: str, usd: int, process: str = "", start: str = "epoch"
) -> str:
    """Let a process, a new one unless named, borrow of a window; return its name."""
    process = process or str(uuid.uuid4())
    with psycopg.connect(dsn, options="-c role=meterr_app") as connection:
        connection.execute(
            "select meterr.exchange_lease(%s, %s, %s, 'infinity', %s, null, 0, 0, 0, %s, %s, %s)",
            [tenant, limit_id, start, process, usd, usd, usd],
        )
    return process


def fall_silent(admin: str, process: str, minutes: int) -> None:
    with psycopg.connect(admin) as connection:
        connection.execute(
            "update meterr.limit_process set seen_at = now() - %s * interval '1 minute'"
            " where process = %s",
            [minutes, process],
        )


def test_leases_are_listed_with_what_is_spent_of_them(
    meterr: CommandLine, dsn: str, admin: str, tenant: str, budget: str
) -> None:
    """An operator sees which process holds what, the longest silent first."""
    lively, silent = (borrow(dsn, tenant, budget, usd) for usd in (1, 2))
    fall_silent(admin, silent, 9)
    with psycopg.connect(admin) as connection:
        connection.execute("update meterr.limit_lease set spent = 0.5 where process = %s", [silent])
    listed = meterr.ok("limit", "leases", "--json")

    assert "meterr.leases/1" == listed.json["schema"]
    assert [(silent, "2", "0.5"), (lively, "1", "0")] == [
        (item["process"], item["granted"], item["spent"]) for item in listed.items
    ]
    assert {("acme", budget, "total")} == {
        (item["tenant"], item["limit_id"], item["per"]) for item in listed.items
    }
    assert [lively] == [row[0] for row in meterr.ok("limit", "leases", "--process", lively).rows]
    for process in (lively, silent):
        meterr.ok("limit", "release", process, "--force")


def test_a_lost_process_is_given_up_after_it_was_silent_for_a_while(
    meterr: CommandLine, dsn: str, admin: str, tenant: str, budget: str
) -> None:
    """What it held and had not spent comes back; what is lost with it is said in one sentence."""
    before = remaining(meterr)
    lost = borrow(dsn, tenant, budget, 1)
    refused = meterr("limit", "release", lost)
    assert (2, True) == (refused.status, "gave a sign of life" in refused.err)
    assert before - 1 == remaining(meterr)
    fall_silent(admin, lost, 11)
    done = meterr.ok("limit", "release", lost)
    assert [lost] == [row[0] for row in done.rows]
    assert f"1 USD of budget {budget} (per total) can be spent again.\nGiven up: calls" in done.err
    assert before == remaining(meterr)
    assert [] == meterr.ok("limit", "leases").rows
    again = meterr("limit", "release", lost)
    assert (2, True) == (again.status, "was closed at" in again.err)


def test_only_what_somebody_can_spend_is_said_to_come_back(
    meterr: CommandLine, dsn: str, admin: str, tenant: str, budget: str
) -> None:
    """Each budget its own; not of a window that is over, a rule that ended or an overdrawn one."""
    made = [
        str(
            meterr.ok("budget", "set", "5", *terms, "--tenant", "acme", "--json").items[0][
                "limit_id"
            ]
        )
        for terms in (
            ("--per", "day"),
            ("--per", "total", "--model", "ended"),
            ("--per", "total", "--model", "over"),
        )
    ]
    past, ended, over = made
    process = borrow(dsn, tenant, budget, 1)
    for limit_id, start in ((past, "2020-01-01"), (ended, "epoch"), (over, "epoch")):
        borrow(dsn, tenant, limit_id, 2, process=process, start=start)
    meterr.ok("budget", "end", ended, "--tenant", "acme")
    meterr.ok("budget", "set", "0", "--per", "total", "--model", "over", "--tenant", "acme")
    done = meterr.ok("limit", "release", process, "--force")
    assert [budget] == re.findall(r"1 USD of budget (\S+)", done.err)
    assert 1 == done.err.count("can be spent again")
    for limit_id in (past, over):
        meterr.ok("budget", "end", limit_id, "--tenant", "acme")


def test_a_process_whose_journal_is_here_is_left_to_the_drain(
    meterr: CommandLine, dsn: str, tenant: str, budget: str
) -> None:
    """P2: its calls are not lost, so nobody gives them up; not by force, nor by other letters."""
    process = borrow(dsn, tenant, budget, 1)
    folder = Path(meterr.environment["METERR_DATA_DIR"]) / "journal" / process
    folder.mkdir(parents=True)
    for name in (process, process.upper()):
        refused = meterr("limit", "release", name, "--force")
        assert (2, True) == (refused.status, "start meterr with this data directory" in refused.err)
    assert [process] == [row[0] for row in held(meterr, process.upper())]
    folder.rmdir()
    meterr.ok("limit", "release", process, "--force")


@pytest.mark.parametrize("process", ["not-a-process", "0199aaaa-0000-7000-8000-0000000000aa"])
def test_a_process_that_never_borrowed_is_not_found(meterr: CommandLine, process: str) -> None:
    """A name that was mistyped closes nothing."""
    refused = meterr("limit", "release", process)
    assert (1, True) == (refused.status, "no such process" in refused.err)


def held(meterr: CommandLine, process: str) -> list[list[str]]:
    return meterr.ok("limit", "leases", "--process", process).rows


def remaining(meterr: CommandLine) -> Decimal:
    (listed,) = meterr.ok("budget", "list", "--tenant", "acme", "--json").items
    return Decimal(listed["remaining"])
