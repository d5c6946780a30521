"""``meterr user``: what is printed, what is not, and what the status says."""

import asyncio
import os
import re

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.identity.passwords import Hasher, take_up
from meterr.identity.throttle import Throttle
from support.command_line import CommandLine
from support.people import CHEAP, PASSWORD, keyed

_CLAIM = re.compile(r"meterr_claim_[A-Za-z0-9_-]{43}")


@pytest.fixture(scope="module", autouse=True)
def tenants(meterr: CommandLine) -> None:
    """The tenant that commands take when none is named, and another."""
    meterr.ok("tenant", "create", "default")
    meterr.ok("tenant", "create", "lab")


def joined(meterr: CommandLine, claim: str) -> None:
    """Take a claim up, as a person will in the browser."""

    async def take() -> None:
        with Hasher.open(randomness=os.urandom, cost=CHEAP) as hasher:
            dsn = meterr.environment["METERR_DATABASE_URL"]
            async with Database.open(dsn, Role.IDENTITY) as db:
                await take_up(
                    db,
                    hasher,
                    Throttle(db, SystemClock(), keyed),
                    SystemClock(),
                    token=SecretStr(claim),
                    password=PASSWORD,
                    address="203.0.113.1",
                )

    asyncio.run(take())


def shown(meterr: CommandLine, email: str) -> dict[str, object]:
    (item,) = (e for e in meterr.ok("user", "list", "--json").items if e["email"] == email)
    return item


def test_only_the_claim_is_on_standard_output(meterr: CommandLine) -> None:
    """S3.2: what is piped is the claim and nothing else; it is shown once."""
    made = meterr.ok("user", "create", "piped@example.com")
    assert re.fullmatch(_CLAIM.pattern + "\n", made.out)
    assert made.out.strip() not in made.err
    assert "shown once" in made.err


def test_a_claim_is_never_shown_again_and_never_stored(meterr: CommandLine, admin: str) -> None:
    """P6: lists do not have it; the database has a digest."""
    claim = meterr.ok("user", "create", "once@example.com").out.strip()
    assert claim not in meterr.ok("user", "list").out
    with psycopg.connect(admin) as connection:
        rows = connection.execute("select to_jsonb(c)::text from meterr.user_claim c").fetchall()
    assert rows
    assert not any(claim in row for (row,) in rows)


def test_people_are_listed_with_what_they_are(meterr: CommandLine) -> None:
    """Invited first, member when the claim is taken up; super_admins belong to no tenant."""
    claims = [
        meterr.ok("user", "create", "ada@example.com", "--role", "admin", "--json").items[0],
        meterr.ok("user", "create", "ada@example.com", "--tenant", "lab", "--json").items[0],
        meterr.ok("user", "create", "Ada@example.com", "--super-admin", "--json").items[0],
    ]
    waiting = shown(meterr, "ada@example.com")
    assert (False, [], "active") == (waiting["joined"], waiting["roles"], waiting["state"])
    for item in claims:
        joined(meterr, item["claim"])

    person = shown(meterr, "ada@example.com")
    assert {"default:admin", "lab:user", "super_admin"} == set(person["roles"])  # type: ignore[call-overload]  # a list
    assert person["joined"]
    assert {6} == {len(row) for row in meterr.ok("user", "list").rows}


def test_roles_change_and_the_last_admin_stays(meterr: CommandLine) -> None:
    """Issue 4, item 1: by a command of their own; exit 1 says why not."""
    meterr.ok("tenant", "create", "duo")
    for name in ("first", "second"):
        terms = ("--tenant", "duo", "--role", "admin")
        joined(meterr, meterr.ok("user", "create", f"{name}@duo.example", *terms).out.strip())
    changed = meterr.ok("user", "role", "first@duo.example", "user", "--tenant", "duo")
    assert "first@duo.example is user in duo, was admin.\n" == changed.err
    for refused in (
        ("user", "role", "second@duo.example", "user", "--tenant", "duo"),
        ("user", "role", "second@duo.example", "none", "--tenant", "duo"),
        ("user", "disable", "second@duo.example"),
    ):
        result = meterr(*refused)
        assert (1, "") == (result.status, result.out)
        assert "last administrator" in result.err
    meterr.ok("user", "role", "first@duo.example", "none", "--tenant", "duo")
    assert [] == shown(meterr, "first@duo.example")["roles"]
    meterr.ok("user", "disable", "second@duo.example", "--leaving-no-admin")
    assert "disabled" == shown(meterr, "second@duo.example")["state"]
    meterr.ok("user", "enable", "second@duo.example")
    assert "active" == shown(meterr, "second@duo.example")["state"]


def test_a_key_of_a_member_goes_with_the_member(meterr: CommandLine) -> None:
    """Issue 4, item 2: the owner is an account, in one spelling, and shown in the list."""
    joined(meterr, meterr.ok("user", "create", "keys@example.com").out.strip())
    made = meterr.ok("key", "create", "--name", "hers", "--owner", "Keys@Example.com", "--json")
    (key,) = made.items
    account = shown(meterr, "keys@example.com")["user_id"]
    assert ("keys@example.com", account) == (key["owner"], key["owner_user_id"])
    (listed,) = (e for e in meterr.ok("key", "list", "--json").items if e["name"] == "hers")
    assert {**listed, "secret": key["secret"]} == key
    assert "keys@example.com" in meterr.ok("key", "list").out

    named = meterr.ok("key", "create", "--name", "team's", "--owner", "search", "--json").items[0]
    assert ("search", None) == (named["owner"], named["owner_user_id"])
    rule = ["budget", "set", "5", "--per", "day", "--owner", "KEYS@example.com", "--json"]
    assert "keys@example.com" == meterr.ok(*rule).items[0]["subject"]


def test_an_address_without_a_member_owns_no_key(meterr: CommandLine) -> None:
    """A key that seems to be somebody's and does not go with them would be worse than none."""
    for command in (
        ("user", "create", "invited@example.com"),
        ("user", "create", "gone@example.com"),
        ("user", "create", "elsewhere@example.com", "--tenant", "lab"),
    ):
        claim = meterr.ok(*command).out.strip()
        if "invited@example.com" not in command:
            joined(meterr, claim)
    meterr.ok("user", "disable", "gone@example.com")
    for email, said in (
        ("stranger@example.com", "meterr user create"),
        ("invited@example.com", "no member"),
        ("elsewhere@example.com", "no member"),
        ("gone@example.com", "is disabled"),
        ("@", "email"),
    ):
        result = meterr("key", "create", "--name", "x", "--owner", email)
        assert (2, "") == (result.status, result.out)
        assert said in result.err


def test_a_reset_is_a_claim_too(meterr: CommandLine) -> None:
    """For who forgot the password; it sets a new one."""
    joined(meterr, meterr.ok("user", "create", "lost@example.com").out.strip())
    joined(meterr, meterr.ok("user", "reset", "lost@example.com").out.strip())
    assert shown(meterr, "lost@example.com")["joined"]


def test_a_reset_that_does_without_factors_has_to_be_asked_for(
    meterr: CommandLine, admin: str
) -> None:
    """Pre-hijacking: one word of the operator's, who has made sure of the person."""
    joined(meterr, meterr.ok("user", "create", "hers@example.com").out.strip())
    found = []
    for more in ([], ["--without-factors"]):
        meterr.ok("user", "reset", "hers@example.com", *more)
        with psycopg.connect(admin) as connection:
            found += connection.execute(
                """select c.drops_factors, c.made_by from meterr.user_claim c
                     join meterr.user_account u using (user_id)
                    where u.email = 'hers@example.com' and c.used_at is null"""
            ).fetchall()
    assert [(False, None), (True, None)] == found


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["user", "create"], 2, "EMAIL"),
        (["user", "create", "no address"], 2, "email"),
        (["user", "create", "x@example.com", "--tenant", "nobody"], 1, "nobody"),
        (["user", "create", "x@example.com", "--role", "owner"], 2, "owner"),
        (["user", "create", "x@example.com", "--role", "super_admin"], 2, "super_admin"),
        (["user", "disable", "stranger@example.com"], 1, "stranger@example.com"),
        (["user", "role", "stranger@example.com", "admin"], 1, "stranger@example.com"),
        (["user", "role", "stranger@example.com", "root"], 2, "root"),
        (["user", "reset", ""], 2, "email"),
        (["usr", "list"], 2, "did you mean user?"),
    ],
)
def test_a_wrong_command_is_one_clear_text_and_a_status(
    meterr: CommandLine, arguments: list[str], status: int, said: str
) -> None:
    """S1:312: an unknown role is refused by name. 1 failed, 2 usage."""
    result = meterr(*arguments)
    assert (status, "") == (result.status, result.out), result
    assert said in result.err
