"""``meterr session``: keys of access tokens and sessions of people, from the command line."""

import os

import psycopg
import pytest

from meterr.core.crypto import mint
from support.command_line import CommandLine

KEK = mint("k1", os.urandom).text()


@pytest.fixture(scope="module", autouse=True)
def keys(meterr: CommandLine) -> None:
    """A tenant, and a key to seal under."""
    meterr.environment["METERR_KEY_ENCRYPTION_KEY"] = KEK
    meterr.ok("tenant", "create", "default")


def states(meterr: CommandLine) -> list[str]:
    return [item["state"] for item in meterr.ok("session", "keys", "list", "--json").items]


def test_keys_are_made_moved_and_refused_at_once(meterr: CommandLine) -> None:
    """Item 5 of the issue: rotation with overlap, and one without for a key that was seen."""
    assert [] == states(meterr)
    first = meterr.ok("session", "keys", "rotate")
    assert ["current", "next"] == states(meterr)
    assert "signs from now on" in first.err
    assert "" == first.out

    too_soon = meterr("session", "keys", "rotate")
    assert 1 == too_soon.status
    assert "published just now" in too_soon.err

    meterr.ok("session", "keys", "rotate", "--at-once")
    assert ["gone", "gone", "current", "next"] == states(meterr)


def test_no_private_key_is_shown(meterr: CommandLine) -> None:
    """P6: names, states and times."""
    listed = meterr.ok("session", "keys", "list", "--json")
    assert {"key_id", "state", "created_at", "accepted_to"} == set(listed.items[0])


def test_without_a_key_encryption_key_nothing_is_made(meterr: CommandLine) -> None:
    """The way out is in the sentence; listing needs no key."""
    del meterr.environment["METERR_KEY_ENCRYPTION_KEY"]
    try:
        refused = meterr("session", "keys", "rotate")
        assert 2 == refused.status
        assert "meterr keyring new" in refused.err
        assert states(meterr)
    finally:
        meterr.environment["METERR_KEY_ENCRYPTION_KEY"] = KEK


def test_all_sessions_of_a_person_are_ended(meterr: CommandLine) -> None:
    """By e-mail address; how many that were is said."""
    meterr.ok("user", "create", "ada@example.com")
    dsn = meterr.environment["METERR_DATABASE_URL"]
    with psycopg.connect(dsn, options="-c role=meterr_identity") as connection:
        connection.execute(
            """insert into meterr.user_session
                      (session_id, user_id, address, user_agent, created_at, seen_at, ends_at,
                       refresh_digest, pepper_id)
               select gen_random_uuid(), user_id, '', '', now(), now(), now() + interval '1 day',
                      sha256('a'), 'p1'
                 from meterr.user_account, generate_series(1, 3)"""
        )
    assert "ADA@example.com: 3 sessions" in meterr.ok("session", "end", "ADA@example.com").err
    assert "0 sessions ended" in meterr.ok("session", "end", "ada@example.com").err
    assert "no user" in meterr("session", "end", "nobody@example.com").err
    assert "everybody: 0 sessions ended" in meterr.ok("session", "end", "--everybody").err
    for unclear in ((), ("ada@example.com", "--everybody")):
        assert 2 == meterr("session", "end", *unclear).status
