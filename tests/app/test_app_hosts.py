"""Two hosts on one PostgreSQL: each has its own data directory, and they share keys and ledger."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterr import identity
from meterr.core.db import Database, Role
from support import server
from support.load import CHAT, MESSAGES, Seen, call
from support.meterr_house import House, Process, open_house, start, stop
from support.witness import audit, folders


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    config = "[server]\nworkers = 2\n"
    with open_house(database_url, admin_dsn, data_root, config=config) as running:
        yield running


@pytest.fixture
def other(house: House) -> Iterator[tuple[Process, str, Path]]:
    """A second deployment as on another host: the same settings, a data directory of its own."""
    with server.open_directory() as data_dir:
        process = start(["serve"], {**house.environment, "METERR_DATA_DIR": str(data_dir)})
        try:
            yield process, process.wait_for(r"ready at (http://[^ ]*\d)")[1], data_dir
        finally:
            stop(process)


def ask(url: str, key: str, count: int = 4) -> list[Seen]:
    """Make some calls with a key on one host."""

    async def all_of_them() -> list[Seen]:
        kinds = [CHAT, MESSAGES] * (count // 2)
        return await asyncio.gather(*(call(url, key, kind, (2, 3), {}) for kind in kinds))

    return asyncio.run(all_of_them())


async def revoke(house: House, key_id: str) -> None:
    async with Database.open(house.database_url, Role.APP) as db:
        await identity.revoke_key(db, house.tenant_id, key_id)


def test_a_key_counts_on_every_host_and_its_calls_meet_in_one_ledger(
    house: House, other: tuple[Process, str, Path]
) -> None:
    """P2, P10: PostgreSQL and the pepper are all that hosts share."""
    _, url, data_dir = other
    seen = [*ask(house.base_url, house.key, 20), *ask(url, house.key, 20)]

    entries = house.drained(40)

    assert [200] * 40 == [each.status for each in seen]
    assert {each.id for each in seen} == {entry["id"] for entry in entries}
    assert 40 == len(audit(house).received)
    here, there = set(folders(house)), {path.name for path in (data_dir / "journal").glob("*-*")}
    assert (2, 2, set()) == (len(here), len(there), here & there)


def test_a_key_revoked_once_is_refused_on_every_host(
    house: House, other: tuple[Process, str, Path]
) -> None:
    """P5: a notice reaches every process that listens, whichever host it is on."""
    _, url, _ = other
    key, key_id = house.new_key_with_id(name="to be revoked")
    for each in (house.base_url, url):
        assert [200] * 8 == [seen.status for seen in ask(each, key, 8)]

    asyncio.run(revoke(house, key_id))

    house.until(lambda: {401} == {s.status for at in (house.base_url, url) for s in ask(at, key)})
    assert [401] * 8 == [seen.status for seen in ask(url, key, 8)]


def test_a_host_that_leaves_takes_no_call_with_it(
    house: House, other: tuple[Process, str, Path]
) -> None:
    """P2: a host drains its own journal to the end before it stops; the other one serves on."""
    process, url, data_dir = other
    there = ask(url, house.key, 20)
    stop(process)
    here = ask(house.base_url, house.key)

    house.drained(24)

    assert [200] * 24 == [each.status for each in [*there, *here]]
    assert [] == [path.name for path in (data_dir / "journal").glob("*-*")]
    assert {each.id for each in [*there, *here]} == {entry["id"] for entry in house.entries()}
