"""``meterr key rotate`` and its neighbours: what is printed once, and what the status says."""

import asyncio
import csv
import re
import subprocess
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.identity import find_tenant
from meterr.identity.rotation import mark_due
from support.command_line import PEPPER, CommandLine

_SECRET = re.compile(r"sk-meterr_live_[0-9A-Za-z]{32}\n")
WHY = ("--reason", "drill")


@pytest.fixture(scope="module", autouse=True)
def tenant(meterr: CommandLine) -> str:
    """The tenant that commands take when none is named."""
    meterr.ok("tenant", "create", "default")
    return "default"


def a_key(meterr: CommandLine, *terms: str) -> dict[str, Any]:
    return meterr.ok("key", "create", "--name", "k", *terms, "--json").items[0]


def listed(meterr: CommandLine, key_id: str, *options: str) -> dict[str, Any]:
    items = meterr.ok("key", "list", *options, "--json").items
    return next(each for each in items if each["key_id"] == key_id)


class TestRotate:
    def test_writes_the_new_key_alone_and_keeps_the_old_one_for_the_grace(
        self, meterr: CommandLine
    ) -> None:
        """S1:384-399: one key, one successor, and time to exchange them."""
        old = a_key(meterr, "--network", "192.0.2.0/24", "--owner", "ann")
        done = meterr.ok("key", "rotate", old["key_id"], "--grace", "2d", *WHY)
        assert _SECRET.fullmatch(done.out)
        assert done.out.strip() not in done.err
        row = listed(meterr, old["key_id"])
        new = listed(meterr, row["successor_id"])
        assert ("active", "active") == (row["state"], new["state"])
        assert row["grace_until"] > row["created_at"]
        assert (["192.0.2.0/24"], "ann") == (new["networks"], new["owner"])

    def test_a_second_time_fails_and_names_the_successor(self, meterr: CommandLine) -> None:
        """Exit 1 and nothing on standard output: a script stores nothing."""
        old = a_key(meterr)
        new = meterr.ok("key", "rotate", old["key_id"], *WHY, "--json").items[0]
        again = meterr("key", "rotate", old["key_id"], *WHY)
        assert (1, "") == (again.status, again.out)
        assert new["key_id"] in again.err

    @pytest.mark.parametrize(
        ("arguments", "status", "said"),
        [
            (["rotate", "x"], 2, "--reason"),
            (["rotate", "x", *WHY], 1, "no such key"),
            (["rotate", "x", *WHY, "--grace", "91d"], 2, "grace"),
            (["create", "--name", "k", "--network", "10.0.0.1/8"], 2, "did you mean 10.0.0.0/8"),
            (["rotate-all", *WHY], 2, "--everything"),
            (["rotate-all", "--tenant", "default", "--everything", *WHY], 2, "--everything"),
            (["rotate-all", "--tenant", "nobody", *WHY], 1, "nobody"),
            (["codes", *WHY], 2, "--emergency"),
            (["codes", "--emergency", "x", *WHY], 1, "emergency"),
            (["claim", "meterr-claim_x"], 1, "This code is not valid"),
            (["callers", "x"], 1, "no such key"),
            (["policy", "set", "--max-age", "1m"], 2, "max_age"),
            (["policy", "end"], 1, "policy"),
            (["leaked", "/no/such/file"], 1, "No such file"),
        ],
    )
    def test_what_is_wrong_is_one_clear_text_and_a_status(
        self, meterr: CommandLine, arguments: Sequence[str], status: int, said: str
    ) -> None:
        """S3.2: 1 failed, 2 usage; standard output stays empty."""
        result = meterr("key", *arguments)
        assert (status, "") == (result.status, result.out), result
        assert said in result.err


def test_callers_are_listed_as_a_table(meterr: CommandLine) -> None:
    """Nobody called yet."""
    assert [] == meterr.ok("key", "callers", a_key(meterr)["key_id"], "--json").items


class TestRotateAll:
    def test_shows_first_and_then_ends_all_and_hands_over(self, meterr: CommandLine) -> None:
        """S1:405-414: every key has a successor that somebody can collect, once."""
        meterr.ok("tenant", "create", "struck")
        olds = [a_key(meterr, "--tenant", "struck", "--owner", f"o{n}") for n in range(3)]
        command = ("key", "rotate-all", "--tenant", "struck", *WHY)
        dry = meterr.ok(*command, "--dry-run", "--json")
        assert (3, [{"tenant": "struck", "keys": 3, "codes": 0}]) == (dry.json["keys"], dry.items)
        assert "active" == listed(meterr, olds[0]["key_id"])["state"]

        done = meterr.ok(*command, "--csv")
        rows = list(csv.DictReader(StringIO(done.out)))
        assert {old["key_id"] for old in olds} == {row["key_id"] for row in rows}
        assert "revoked" == listed(meterr, olds[0]["key_id"])["state"]
        assert not any(row["code"] in done.err for row in rows)

        collected = meterr.ok("key", "claim", rows[0]["code"])
        assert _SECRET.fullmatch(collected.out)
        assert 1 == meterr("key", "claim", rows[0]["code"]).status
        new = listed(meterr, rows[0]["successor_id"])
        assert (rows[0]["owner"], "active") == (new["owner"], new["state"])

        emergency = re.search(r"emergency ([0-9a-f-]{36})", done.err)
        assert emergency is not None
        again = ("key", "codes", "--tenant", "struck", "--emergency", emergency[1], *WHY)
        left = meterr.ok(*again, "--json").items
        assert {row["successor_id"] for row in rows[1:]} == {each["successor_id"] for each in left}
        assert 1 == meterr("key", "claim", rows[1]["code"]).status

    def test_of_everything_strikes_each_tenant_and_hands_over(
        self, meterr: CommandLine, database_url: str, tmp_path: Path
    ) -> None:
        """Issue 4, item 3: everything, dry first; which of both is said, not guessed."""
        environment = {**meterr.environment, "METERR_DATABASE_URL": database_url}
        operator = CommandLine(environment, tmp_path)
        olds = []
        for tenant in ("acme", "globex"):
            operator.ok("tenant", "create", tenant)
            olds.append(a_key(operator, "--tenant", tenant)["key_id"])
        assert 2 == operator("key", "rotate-all", *WHY).status
        command = ("key", "rotate-all", "--everything", *WHY)
        dry = operator.ok(*command, "--dry-run", "--json")
        assert [("acme", 1), ("globex", 1)] == sorted((e["tenant"], e["keys"]) for e in dry.items)

        rows = list(csv.DictReader(StringIO(operator.ok(*command, "--csv").out)))

        assert set(olds) == {row["key_id"] for row in rows}
        for row in rows:
            assert _SECRET.fullmatch(operator.ok("key", "claim", row["code"]).out)


class TestPolicy:
    def test_is_set_listed_told_and_ended(self, meterr: CommandLine, dsn: str) -> None:
        """Issue 4, 3: scheduled rotation by policy with notice."""
        meterr.ok("tenant", "create", "aging")
        key = a_key(meterr, "--tenant", "aging")
        of = ("--tenant", "aging")
        meterr.ok("key", "policy", "set", *of, "--max-age", "2h", "--notice", "119m")
        assert [7200] == [
            e["max_age"] for e in meterr.ok("key", "policy", "list", *of, "--json").items
        ]
        assert [] == meterr.ok("key", "codes", *of, "--due", *WHY, "--json").items
        meterr.ok(
            "key", "policy", "set", *of, "--max-age", "1h", "--notice", "59m", "--grace", "1h"
        )
        asyncio.run(_round(dsn))
        row = listed(meterr, key["key_id"])
        assert row["due_at"] is None  # a minute too early
        meterr.ok("key", "policy", "end", *of)
        assert [] == meterr.ok("key", "policy", "list", *of, "--json").items


async def _round(dsn: str) -> None:
    async with Database.open(dsn, Role.APP) as db:
        await mark_due(db, SystemClock(), (await find_tenant(db, "aging")).tenant_id)


class TestPeppers:
    def test_are_counted_by_id(self, meterr: CommandLine) -> None:
        """The operator sees when the old one may go."""
        before = a_key(meterr)["pepper_id"]
        new = {"METERR_KEY_PEPPER": PEPPER[::-1], "METERR_KEY_PEPPER_PREVIOUS": PEPPER}
        counted = {each["place"]: each for each in meterr("key", "peppers", "--json", **new).items}
        assert before == counted["previous"]["pepper_id"]
        assert counted["previous"]["keys"] >= 1
        assert 0 == counted["current"]["keys"]
        assert PEPPER not in str(counted)


class TestLeaked:
    def test_revokes_what_a_file_holds_and_says_so(
        self, meterr: CommandLine, tmp_path: Path
    ) -> None:
        """Exit 3 for a finding; the text is not repeated."""
        key = a_key(meterr)
        file = tmp_path / "dump.log"
        file.write_text(f"GET /?k={key['secret']}&x=1\n" * 2)
        dry = meterr("key", "leaked", str(file), "--dry-run", "--json")
        done = meterr("key", "leaked", str(file), "--json")
        again = meterr("key", "leaked", str(file), "--json")
        assert [3, 3, 3] == [each.status for each in (dry, done, again)]
        fates = [each.items[0]["fate"] for each in (dry, done, again)]
        assert ["would be revoked", "revoked", "was revoked before"] == fates
        assert (2, key["key_id"]) == (done.items[0]["occurrences"], done.items[0]["key_id"])
        assert key["secret"] not in dry.out + done.out + done.err + again.out
        file.write_text("nothing here")
        assert 0 == meterr("key", "leaked", str(file)).status

    def test_finds_what_was_committed_once_and_taken_out_again(
        self, meterr: CommandLine, tmp_path: Path
    ) -> None:
        """S2:155: `git check-ignore` said that all was well; the history still had the secret."""
        key = a_key(meterr)

        def git(*arguments: str) -> bytes:
            who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
            command = ["git", "-C", str(tmp_path), *who, *arguments]
            return subprocess.run(command, check=True, capture_output=True).stdout

        git("init", "--quiet")
        (tmp_path / ".env").write_text(f"OPENAI_API_KEY={key['secret']}\n")
        git("add", ".env")
        git("commit", "--quiet", "-m", "a demo")
        git("rm", "--quiet", "--cached", ".env")
        (tmp_path / ".gitignore").write_text(".env\n")
        git("add", ".gitignore")
        git("commit", "--quiet", "-m", "no secrets here")
        assert b".env" in git("check-ignore", "-v", ".env")
        assert b".env" not in git("ls-files").splitlines()

        history = tmp_path / "history"
        history.write_bytes(git("log", "-p", "--all"))
        found = meterr("key", "leaked", str(history), "--json")
        assert 3 == found.status
        assert [(key["key_id"], "revoked")] == [(e["key_id"], e["fate"]) for e in found.items]
        assert "revoked" == listed(meterr, key["key_id"])["state"]
