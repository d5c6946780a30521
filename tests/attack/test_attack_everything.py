"""Whatever can be killed is killed, one after the other in a seeded order, under one load."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from support import own_postgres, server
from support.load import Load
from support.meterr_house import House, open_house, start, stop
from support.witness import (
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(1800)]

QUIET = '[log]\nrequests = "none"\n[journal]\nsegment_bytes = 65536\n'


@pytest.fixture
def postgres_of_ours() -> Iterator[EmbeddedPostgres]:
    with (
        server.open_directory() as root,
        EmbeddedPostgres(root, server.newest_binaries()) as running,
    ):
        asyncio.run(migrate(running.dsn))
        yield running


@pytest.fixture
def house(postgres_of_ours: EmbeddedPostgres, data_root: Path) -> Iterator[House]:
    admin = own_postgres.admin_dsn(postgres_of_ours)
    with open_house(postgres_of_ours.dsn, admin, data_root, config=QUIET) as running:
        yield running


class Vandal:
    """Does one kind of harm after the other, and repairs what does not repair itself."""

    def __init__(self, house: House, postgres: EmbeddedPostgres, load: Load, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._house = house
        self._postgres = postgres
        self._load = load
        self._chance = random.Random(seed)
        self._waiting: list[Callable[[], None]] = []

    def act(self) -> None:
        """Do one deed at a random moment, with load before it and during it."""
        if not self._waiting:
            deeds = [self.gateway, self.meterr, self.provider, self.database]
            self._waiting = self._chance.sample([*deeds, self.gateway_in_outage], 5)
        deed = self._waiting.pop()
        self.done[deed.__name__] += 1
        self._calls()
        deed()

    def gateway(self) -> None:
        killed = self._house.gateway_pid
        self._house.kill_gateway()
        self._house.wait_for_restart(killed)

    def meterr(self) -> None:
        parent = psutil.Process(self._house.meterr.popen.pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(ProcessLookupError):  # its parent's end was enough for it
                os.kill(process.pid, signal.SIGKILL)
        self._house.serve_again()

    def provider(self) -> None:
        house = self._house
        house.simulator.popen.kill()
        stop(house.simulator)
        self._calls()
        port = str(urlsplit(house.simulator_url).port)
        arguments = ["simulator", "--port", port, "--call-log", str(house.call_log)]
        house.simulator = start(arguments, house.environment)
        house.simulator.wait_for(r"(http://[^ ]*\d)")

    def database(self) -> None:
        own_postgres.kill(self._postgres)
        self._calls()
        own_postgres.start_again(self._postgres)

    def gateway_in_outage(self) -> None:
        """No key is warm then and none can be read: callers get 503 until the database is back."""
        own_postgres.kill(self._postgres)
        self.gateway()
        self._calls()
        own_postgres.start_again(self._postgres)
        self._house.until(lambda: self._house.look("/readyz")[0] == 200)

    def _calls(self) -> None:
        goal = len(self._load.seen) + self._chance.randint(20, 120)
        self._house.until(lambda: len(self._load.seen) >= goal)


def test_no_order_of_disasters_loses_a_call_or_enters_one_twice(
    house: House,
    postgres_of_ours: EmbeddedPostgres,
    rounds: int,
    first_seed: int,
    tell: Callable[[str], None],
) -> None:
    """P2: gateway, parent, provider and PostgreSQL die by turns, also while another is away."""
    with Load(lambda: house.base_url, house.key, seed=first_seed, callers=20) as load:
        vandal = Vandal(house, postgres_of_ours, load, first_seed)
        for _ in range(max(1, rounds // 3)):  # each takes three times as long as a mere kill
            vandal.act()
        more = load.whole + 100
        house.until(lambda: load.whole > more)
    house.until(lambda: not undrained(house))

    found = audit(house)
    assert {0, 200, 502, 503} >= set(load.statuses())
    assert_nothing_lost_and_nothing_twice(found)
    estimated = assert_settled_exactly(found, load.seen)
    tell(f"{dict(vandal.done)}; {len(load.seen)} calls, {load.whole} answered whole")
    tell(
        f"{len(found.received)} received, {found.rows} entries, {len(found.never_left)} never left"
    )
    tell(f"{len(found.of('interrupted'))} interrupted, {len(estimated)} of these answered whole")
