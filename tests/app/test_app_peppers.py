"""The pepper of two running hosts is changed under load, and no call notices."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from meterr.core.db import Database, Role
from meterr.identity import Keyring
from meterr.identity.peppers import PepperUse, list_peppers
from support.load import CHAT, Load
from support.meterr_house import PEPPER, House, Process, open_house, start, stop

NEW = PEPPER[::-1]
READY = r"ready at (http://[^ ]*\d)"


@dataclass
class Host:
    """One ``meterr serve`` with a data directory of its own."""

    environment: dict[str, str]
    folder: Path
    process: Process | None = None
    url: str = ""

    def serve(self, **peppers: str) -> None:
        """Start with these peppers; what ran before has ended its calls."""
        if self.process is not None:
            stop(self.process)
        base = {k: v for k, v in self.environment.items() if k != "METERR_KEY_PEPPER"}
        names = {f"METERR_{name.upper()}": value for name, value in peppers.items()}
        self.process = start(["serve"], {**base, **names, "METERR_DATA_DIR": str(self.folder)})
        self.url = self.process.wait_for(READY)[1]


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        yield running


@pytest.fixture
def hosts(house: House, data_root: Path) -> Iterator[list[Host]]:
    environment = dict(house.environment)
    one = Host(environment, house.data_dir, house.meterr, house.base_url)
    (data_root / "two").mkdir()
    two = Host(environment, data_root / "two")
    two.serve(key_pepper=PEPPER)
    yield [one, two]
    for host in (one, two):
        assert host.process is not None
        stop(host.process)


def depends(house: House) -> dict[str, PepperUse]:
    """Return what depends on the old and the new pepper."""
    keyring = Keyring.from_secrets(SecretStr(NEW), SecretStr(PEPPER))

    async def read() -> list[PepperUse]:
        async with Database.open(house.database_url, Role.APP) as db:
            return await list_peppers(db, keyring)

    return {use.place: use for use in asyncio.run(read())}


def go_on(house: House, loads: list[Load]) -> None:
    """Wait until each load has made some more calls."""
    for load in loads:
        count = len(load.seen)
        house.until(lambda load=load, count=count: len(load.seen) > count + 5)


def test_no_call_fails_while_the_pepper_changes_and_the_old_one_is_not_needed_after(
    house: House, hosts: list[Host]
) -> None:
    """Issue 4, bar: 0 failed calls; the old id counts 0; the old pepper opens nothing then."""
    serving = [hosts[0]]
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(lambda: serving[0].url, key, seed=n, callers=1, kinds=(CHAT,)))
            for n, key in enumerate([house.key, house.new_key(name="two")])
        ]
        for peppers in (
            {"key_pepper": PEPPER, "key_pepper_next": NEW},
            {"key_pepper": NEW, "key_pepper_previous": PEPPER},
        ):
            for host, other in (hosts, hosts[::-1]):
                serving[0] = other
                host.serve(**peppers)
                serving[0] = host
                go_on(house, loads)
        house.until(lambda: depends(house)["previous"].keys == 0, 30)
        for host, other in (hosts, hosts[::-1]):
            serving[0] = other
            host.serve(key_pepper=NEW)
            serving[0] = host
            go_on(house, loads)
    assert [{}, {}] == [load.broken for load in loads]
    assert 2 == depends(house)["current"].keys


def test_a_host_without_a_pepper_that_keys_need_does_not_start(house: House) -> None:
    """It would refuse good keys: that is told at the start, with the way out."""
    environment = {**house.environment, "METERR_KEY_PEPPER": NEW}
    environment["METERR_DATA_DIR"] = str(house.data_dir / "other")
    refused = start(["serve"], environment)
    assert refused.wait_for(r"[0-9a-f]{12}: 1 keys.*METERR_KEY_PEPPER_PREVIOUS.*key list --json")
    refused.popen.wait(30)
    stop(refused)
    assert 2 == refused.popen.returncode
    assert PEPPER not in json.dumps(refused.lines) + NEW
