"""A hard budget under fire: many streams, many processes, ``kill -9`` of workers and PostgreSQL."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from support import limit_books, own_postgres, server
from support.limit_books import Books
from support.load import Kind
from support.meterr_house import House, open_house
from support.spenders import Spenders, Spending
from support.witness import JOURNALS, assert_nothing_lost_and_nothing_twice, audit, undrained

pytestmark = [pytest.mark.attack, pytest.mark.timeout(3600)]

WORKERS = 4
STREAMS = 50
AMOUNT = Decimal(5)
USABLE = Decimal("4.5")
OUTPUT_MAX = 8_000
ALIVE = {0, 200, 402, 502, 503}
CONFIG = f'[log]\nrequests = "none"\n[server]\nworkers = {WORKERS}\n'
SPENDING = Spending(
    kind=Kind(
        "chat-stream",
        "/v1/chat/completions",
        b"data: [DONE]",
        stream=True,
        body={
            "model": "gpt-4.1",
            "messages": [{"role": "user", "content": "word " * 60}],
            "max_completion_tokens": OUTPUT_MAX,
        },
    ),
    prompt=60,
    answer_min=OUTPUT_MAX // 4,
    answer_max=OUTPUT_MAX,
)


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
    with open_house(postgres_of_ours.dsn, admin, data_root, config=CONFIG) as running:
        yield running


class Vandal:
    """Kills what this round's seed says, each after so many more answers."""

    def __init__(self, house: House, postgres: EmbeddedPostgres, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.killed: set[int] = set()
        self._house, self._postgres = house, postgres
        self._chance = random.Random(seed)

    def act(self, spenders: Spenders) -> None:
        """Do one to four deeds while the money is being spent."""
        deeds = [self._one_worker, self._one_worker, self._two_workers, self._database]
        for deed in self._chance.choices(deeds, k=self._chance.randint(1, 4)):
            goal = len(spenders.seen) + self._chance.randint(5, 40)
            self._house.until(lambda goal=goal: len(spenders.seen) >= goal)
            self.done[deed.__name__.strip("_")] += 1
            deed(spenders)

    def _one_worker(self, spenders: Spenders) -> None:
        self._kill(1)

    def _two_workers(self, spenders: Spenders) -> None:
        self._kill(2)

    def _kill(self, count: int) -> None:
        pids = self._house.gateway_pids
        for pid in self._chance.sample(pids, min(count, len(pids))):
            self.killed.add(pid)
            with suppress(ProcessLookupError):  # killed a moment ago, and not yet missed
                os.kill(pid, signal.SIGKILL)

    def _database(self, spenders: Spenders) -> None:
        own_postgres.kill(self._postgres)
        goal = len(spenders.seen) + self._chance.randint(0, 30)
        self._house.until(lambda: len(spenders.seen) >= goal)
        own_postgres.start_again(self._postgres)


def living(house: House) -> list[str]:
    """Return the journal folders of the processes that live."""
    return [path.name for path in (house.data_dir / JOURNALS).glob("*-*")]


def is_whole(house: House, killed: set[int]) -> bool:
    """Tell whether all processes serve, and of those that were killed nothing is left to drain."""
    pids = set(house.gateway_pids)
    return not pids & killed and len(pids) == WORKERS == len(living(house))


def settled_books(house: House, limit_id: str, key_id: str) -> Books:
    """Wait until every journal is drained and every dead process's lease is closed."""
    house.until(lambda: not undrained(house))
    house.until(lambda: not _books(house, limit_id, key_id).held_by_dead)
    return _books(house, limit_id, key_id)


def _books(house: House, limit_id: str, key_id: str) -> Books:
    return limit_books.books(house.admin_dsn, limit_id, key_id, living(house))


def exhaust(house: House, spenders: Spenders, limit_id: str, key_id: str) -> None:
    """Wait until nothing is left with a dead process, then until no caller gets anything more."""
    house.until(lambda: not _books(house, limit_id, key_id).held_by_dead)
    spenders.forget_refusals()
    house.until(lambda: spenders.all_refused(2))


def one_round(house: House, postgres: EmbeddedPostgres, seed: int) -> tuple[Books, Counter[str]]:
    """Spend a fresh budget to its end while things die; return the books and what was done."""
    key, key_id = house.new_key_with_id(name=f"round {seed}")
    limit_id = limit_books.set_limit(
        house.admin_dsn,
        house.tenant_id,
        measure="usd",
        span="total",
        amount=AMOUNT,
        scope="key",
        subject=key_id,
    )
    vandal = Vandal(house, postgres, seed)
    with (
        limit_books.sampled(house.admin_dsn, limit_id) as samples,
        Spenders(house.base_url, key, SPENDING, seed=seed, callers=STREAMS) as spenders,
    ):
        vandal.act(spenders)
        house.until(lambda: is_whole(house, vandal.killed))
        exhaust(house, spenders, limit_id, key_id)
    found = settled_books(house, limit_id, key_id)

    assert spenders.statuses().keys() <= ALIVE, f"seed {seed}: {spenders.errors()}"
    assert samples.count > 0
    assert samples.highest <= AMOUNT, f"seed {seed}"
    assert found.ledger_usd <= AMOUNT, f"seed {seed}"
    assert found.taken == found.drawn_usd + found.held_by_living, f"seed {seed}"
    assert found.pool_spent == found.drawn_usd, f"seed {seed}"
    assert USABLE <= found.ledger_usd, f"seed {seed}: {spenders.errors()}"
    return found, vandal.done


def test_no_disaster_lets_a_budget_run_over_or_go_to_waste(
    house: House,
    postgres_of_ours: EmbeddedPostgres,
    budget_rounds: int,
    first_seed: int,
    tell: Callable[[str], None],
) -> None:
    """P3: taken never above $5 at any look, the ledger never above it, and 90 % of it usable."""
    done: Counter[str] = Counter()
    spent = []
    for number in range(budget_rounds):
        found, deeds = one_round(house, postgres_of_ours, first_seed + number)
        done += deeds
        spent.append(found.ledger_usd)

    assert_nothing_lost_and_nothing_twice(audit(house))
    tell(f"{budget_rounds} budgets of ${AMOUNT}: spent ${min(spent):.4f} to ${max(spent):.4f}")
    tell(f"{sum(done.values())} disasters: {dict(done)}")
