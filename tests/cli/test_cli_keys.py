"""``meterr tenant`` and ``meterr key``: what is printed, what is not, and what the status says."""

import json
import re
from pathlib import Path

import psycopg
import pytest

from support.command_line import CommandLine

_SECRET = re.compile(r"sk-meterr_(live|test)_[A-Za-z0-9]{32}")


@pytest.fixture(scope="module", autouse=True)
def tenant(meterr: CommandLine) -> str:
    """The tenant that commands take when none is named."""
    meterr.ok("tenant", "create", "default")
    return "default"


def test_tenants_are_listed_with_their_policy(meterr: CommandLine) -> None:
    """Issue 2, item 8: an unknown price is refused by default, or flagged per tenant."""
    made = meterr.ok("tenant", "create", "lab", "--unknown-price", "flag", "--json")
    listed = meterr.ok("tenant", "list", "--json")

    assert "meterr.tenants/1" == made.json["schema"] == listed.json["schema"]
    assert made.items[0] in listed.items
    policies = {each["name"]: each["unknown_price"] for each in listed.items}
    assert {"default": "refuse", "lab": "flag"}.items() <= policies.items()
    assert {"active"} == {each["state"] for each in listed.items}


def test_a_tenant_that_exists_is_not_made_twice(meterr: CommandLine) -> None:
    """Exit 1: the command is right, the state of things is not."""
    again = meterr("tenant", "create", "default")
    assert (1, "") == (again.status, again.out)
    assert again.err.startswith("meterr: ")
    assert 1 == len(again.err.splitlines())


def test_only_the_key_is_on_standard_output(meterr: CommandLine) -> None:
    """S3.2: `meterr key create | cat` gives the key and nothing else."""
    with meterr.process("key", "create", "--name", "piped") as process:
        out, err = process.communicate(timeout=60)
    assert 0 == process.returncode
    assert re.fullmatch(_SECRET.pattern + "\n", out)
    assert out.strip() not in err
    assert "shown once" in err


def test_a_key_is_never_shown_again_and_never_stored(meterr: CommandLine, admin: str) -> None:
    """S1:142: lists show the last four characters; the database holds a digest."""
    secret = meterr.ok("key", "create", "--name", "seen once").out.strip()
    listed = meterr.ok("key", "list")

    assert secret not in listed.out + listed.err
    assert any(secret[-4:] in row[3] for row in listed.rows if row[1] == "seen once")
    with psycopg.connect(admin) as connection:
        stored = connection.execute("select row_to_json(k)::text from meterr.api_key k").fetchall()
    assert stored
    assert [] == [row for (row,) in stored if secret in row]


def test_a_created_key_is_described_in_json(meterr: CommandLine) -> None:
    """The JSON form is API: scopes, models and expiry as asked, the secret once."""
    terms = ("--scope", "chat", "--model", "gpt-*", "--model", "o3", "--expires-in", "90d")
    made = meterr.ok("key", "create", "--name", "narrow", *terms, "--test", "--json")
    (item,) = made.items

    assert "meterr.keys/1" == made.json["schema"]
    assert "" == made.err
    assert item["secret"].startswith("sk-meterr_test_")
    assert (["chat"], ["gpt-*", "o3"]) == (item["scopes"], item["models"])
    assert item["created_at"] < item["expires_at"]
    (listed,) = (e for e in meterr.ok("key", "list", "--json").items if e["name"] == "narrow")
    del item["secret"]
    assert item == listed


def test_not_a_terminal_means_tabs_without_a_header(meterr: CommandLine) -> None:
    """S3.2: what is piped is cut at tabs, without colour."""
    meterr.ok("key", "create", "--name", "tabbed")
    listed = meterr.ok("key", "list", "--tenant", "default")
    assert {16} == {len(row) for row in listed.rows}
    assert "tabbed" == listed.rows[0][1]
    assert "\x1b" not in listed.out


def test_a_revoked_key_stays_in_the_list_as_revoked(meterr: CommandLine) -> None:
    """What was allowed once can be told later."""
    made = meterr.ok("key", "create", "--name", "leaked", "--json").items[0]
    gone = meterr.ok("key", "revoke", made["key_id"])
    assert "" == gone.out
    (listed,) = (e for e in meterr.ok("key", "list", "--json").items if e["name"] == "leaked")
    assert "revoked" == listed["state"]
    assert listed["revoked_at"] >= listed["created_at"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["key", "create"], 2, "--name"),
        (["key", "create", "--name", "x", "--tenant", "nobody"], 1, "nobody"),
        (["key", "create", "--name", "x", "--scope", "everything"], 2, "no such scope"),
        (["key", "create", "--name", "x", "--expires-in", "soon"], 2, "soon"),
        (["key", "create", "--name", ""], 2, "name"),
        (["key", "revoke", "0199aaaa-0000-7000-8000-0000000000aa"], 1, "key"),
        (["key", "revoke", "no-id"], 1, "key"),
        (["key", "crate"], 2, "create"),
        (["tenant", "create", ""], 2, "name"),
        (["kye", "list"], 2, "did you mean key?"),
    ],
)
def test_a_wrong_command_is_one_clear_text_and_a_status(
    meterr: CommandLine, arguments: list[str], status: int, said: str
) -> None:
    """S3.2: 1 failed, 2 usage; standard output stays empty."""
    result = meterr(*arguments)
    assert (status, "") == (result.status, result.out), result
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--name", "x", "--tenant", "nobody"], 1, "not-found"),
        (["--name", "x", "--scope", "everything"], 2, "invalid-request"),
        (["--nmae", "x"], 2, "usage"),
        ([], 2, "usage"),
    ],
)
def test_an_error_is_json_when_json_was_asked_for(
    meterr: CommandLine, arguments: list[str], status: int, code: str
) -> None:
    """S3.2: `{"error": {"code", "message"}}` on standard error, also for a wrong command line."""
    result = meterr("key", "create", *arguments, "--json")
    assert (status, "") == (result.status, result.out)
    error = json.loads(result.err)["error"]
    assert code == error["code"]
    assert error["message"]


def test_a_database_that_is_away_is_a_failure_without_its_password(
    meterr: CommandLine, tmp_path: Path
) -> None:
    """No secret in any error: the address holds one."""
    away = f"postgresql://meterr:canary-7d1f@/meterr?host={tmp_path}"
    result = meterr("key", "list", METERR_DATABASE_URL=away)
    assert (1, "") == (result.status, result.out)
    assert "canary" not in result.err
    assert 1 == len(result.err.splitlines())


def test_without_any_database_the_way_out_is_named(meterr: CommandLine, tmp_path: Path) -> None:
    """Exit 2 names `meterr up` and the variable."""
    environment = {k: v for k, v in meterr.environment.items() if k != "METERR_DATABASE_URL"}
    result = CommandLine({**environment, "METERR_DATA_DIR": str(tmp_path)}, tmp_path)("key", "list")
    assert 2 == result.status
    assert "meterr up" in result.err
    assert "METERR_DATABASE_URL" in result.err


def test_a_keys_terms_are_changed_and_the_rest_stays(meterr: CommandLine) -> None:
    """Issue 4.3: key update; the secret stays, and who made it is listed."""
    made = meterr.ok(
        "key", "create", "--name", "ci", "--model", "gpt-*", "--author", "ann", "--json"
    ).items[0]
    changed = meterr.ok(
        "key", "update", made["key_id"], "--name", "ci 2", "--any-model", "--scope", "chat",
        "--network", "192.0.2.0/24", "--expires-in", "90d", "--json",
    ).items[0]  # fmt: skip
    assert ("ci 2", None, ["chat"], ["192.0.2.0/24"], "ann") == tuple(
        changed[each] for each in ("name", "models", "scopes", "networks", "author")
    )
    assert changed["expires_at"] is not None
    assert changed["version"] > made["version"]
    lifted = meterr.ok(
        "key", "update", made["key_id"], "--no-expiry", "--any-network", "--json",
        "--if-version", str(changed["version"]),
    ).items[0]  # fmt: skip
    assert (None, None, "ci 2") == (lifted["expires_at"], lifted["networks"], lifted["name"])


def test_a_change_over_another_change_is_refused(meterr: CommandLine) -> None:
    """A lost update is told, with the version of now."""
    made = meterr.ok("key", "create", "--name", "ci", "--json").items[0]
    meterr.ok("key", "update", made["key_id"], "--name", "one")
    lost = meterr(
        "key", "update", made["key_id"], "--name", "two", "--if-version", str(made["version"])
    )
    assert 1 == lost.status
    assert "changed since you read it" in lost.err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--any-model", "--model", "gpt-*"),
        ("--no-expiry", "--expires-in", "1d"),
        ("--any-network", "--network", "192.0.2.0/24"),
        ("--if-version", "0", "--name", "x"),
    ],
)
def test_a_change_that_says_nothing_or_two_things_is_a_usage_error(
    meterr: CommandLine, options: tuple[str, ...]
) -> None:
    """Exit 2, before the database is asked."""
    assert 2 == meterr("key", "update", "x", *options).status


def test_a_key_is_revoked_with_what_it_made(meterr: CommandLine) -> None:
    """--with-descendants; each is named."""
    (top,) = meterr.ok("key", "create", "--name", "a", "--json").items
    (made,) = meterr.ok("key", "create", "--name", "b", "--under", top["key_id"], "--json").items
    assert made["key_id"] not in meterr.ok("key", "revoke", top["key_id"]).err
    done = meterr.ok("key", "revoke", top["key_id"], "--with-descendants")
    assert f"Key {made['key_id']}, which it had made, is revoked." in done.err


def test_a_key_under_another_one_never_exceeds_it(meterr: CommandLine) -> None:
    """Issue 4.2: a subset of the creator's scopes; what is beyond is named, and no key is made."""
    (top,) = meterr.ok("key", "create", "--name", "chat", "--scope", "chat", "--json").items
    under = ("key", "create", "--name", "below", "--under", top["key_id"])
    beyond = meterr(*under)
    assert (1, "") == (beyond.status, beyond.out)
    assert "embeddings, models" in beyond.err
    assert _SECRET.search(meterr.ok(*under, "--scope", "chat").out)
    nobody = meterr(
        "key", "create", "--name", "x", "--under", "0199ffff-0000-7000-8000-0000000000ff"
    )
    assert (1, "") == (nobody.status, nobody.out)


def test_the_keys_of_an_author_are_revoked(meterr: CommandLine) -> None:
    """--made-by, as lists say it; one key or an author, not both and not neither."""
    for name in "ab":
        meterr.ok("key", "create", "--name", name, "--author", "eve")
    assert "2 keys that eve had made" in meterr.ok("key", "revoke", "--made-by", "eve").err
    for unclear in ((), ("x", "--made-by", "eve")):
        assert 2 == meterr("key", "revoke", *unclear).status
