"""Mode C where a superuser hardens: the one login for all tenants is held as their own would be."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from meterr.query.walls import harden
from support import server
from support.walled import Walled, open_walled

# One for each kind of right that everybody has before: to call, to read, to write in, to speak.
TAKEN = (
    "select set_config('my.word', 'x', false)",
    "select count(*) from pg_stat_activity",
    "create temporary table mine (x integer)",
    "do $$ begin end $$",
)


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest) -> Iterator[Walled]:
    with open_walled(request.param) as opened:
        with psycopg.connect(opened.admin_dsn, autocommit=True) as admin:
            admin.execute("create role asker login password 'asker' in role meterr_reader")
        yield opened


@pytest.mark.parametrize("taken", TAKEN)
def test_hardening_takes_from_the_login_for_all_what_it_takes_from_tenants(
    walled: Walled, taken: str
) -> None:
    """It is no role of somebody else's that keeps by name what everybody had."""
    done = asyncio.run(harden(walled.admin_dsn, apply=True, reader_login="asker"))
    assert ("C", ()) == (done.mode, done.remaining)
    reader = make_conninfo(walled.dsn, user="asker", password="asker")
    with (
        psycopg.connect(reader, autocommit=True) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(taken.encode())


def test_what_the_login_for_all_was_given_is_told_and_taken_back(walled: Walled) -> None:
    """Hardened before anybody said what the login is for, it was given its rights by name."""
    asyncio.run(harden(walled.admin_dsn, apply=True))

    told = asyncio.run(harden(walled.admin_dsn, apply=False, reader_login="asker"))
    assert {"function", "language", "relation", "temporary tables"} == {
        each.kind for each in told.remaining
    }

    assert () == asyncio.run(harden(walled.admin_dsn, apply=True, reader_login="asker")).remaining
    assert () == asyncio.run(harden(walled.admin_dsn, apply=True, reader_login="asker")).statements
