"""A source's database is somebody else's: it may say what it likes and harms nobody here."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from meterr.core.db import DatabaseUnavailable
from meterr.core.errors import MeterrError
from meterr.core.http.outbound import AllowList, Guard
from meterr.query.protection import Address, Shape, SourceUnavailable, Table, located, opened
from meterr.query.run import Limits
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.execution import execute
from meterr.query.sources import store
from support.lying_postgres import LIES, lying_greeter, lying_postgres, many_rounds

GUARD = Guard(AllowList.parse(("127.0.0.0/8",)))
LIMITS = Limits(timeout_s=0.3, bytes_max=1024 * 1024)
every_lie = pytest.mark.parametrize("lie", LIES)


@contextmanager
def little_memory() -> Iterator[None]:
    """Fails the test when the block takes a hundred megabytes more than there were before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@every_lie
async def test_reading_its_tables_ends_in_time_and_takes_little_memory(lie: str) -> None:
    """Issue 5: the source cannot be reached, in our words; nothing else of it is heard."""
    async with lying_postgres(lie) as url:
        opening = opened(Address.parse(url.get_secret_value()), GUARD, autocommit=True, timeout_s=0)
        with little_memory(), pytest.raises(SourceUnavailable):
            async with opening as connection:
                await store.describe(connection, Shape((Table("shop", "orders"),)))


@every_lie
async def test_a_question_ends_in_time_and_takes_little_memory(lie: str) -> None:
    """Issue 5: the limits of a question are ours; no server has to keep to them."""
    async with lying_postgres(lie) as url:
        dsn = await located(Address.parse(url.get_secret_value()), GUARD)
        async with QuestionConnection.opened(dsn, LIMITS) as connection:
            with little_memory(), pytest.raises(MeterrError) as caught:
                await execute(connection, b"select 1", LIMITS)
    told = f"{caught.value.detail} {caught.value.private} {caught.value.__cause__}"
    assert "xxx" not in told


@every_lie
async def test_a_session_that_cannot_begin_is_closed(lie: str) -> None:
    """Nobody's: what was opened for it is given back at once."""
    async with lying_postgres(lie, begins=False) as url:
        dsn = await located(Address.parse(url.get_secret_value()), GUARD)
        before = open_files()
        with little_memory(), pytest.raises(DatabaseUnavailable) as caught:
            async with QuestionConnection.opened(dsn, LIMITS):
                pass
        assert open_files() <= before + 1  # the far end may still be at it
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "a copy that nobody asked for"])
async def test_a_greeting_ends_in_time_and_takes_little_memory(lie: str) -> None:
    """Issue 5: bounded before anybody is in, too."""
    async with lying_greeter(lie) as url:
        dsn = await located(Address.parse(url.get_secret_value()), GUARD)
        with little_memory(), pytest.raises(DatabaseUnavailable):
            async with QuestionConnection.opened(dsn, LIMITS):
                pass


async def test_no_server_makes_everybody_wait_for_its_rounds() -> None:
    """A server may ask for 2,000,000,000 rounds of SCRAM: our login to it computes none of them."""
    async with many_rounds(20_000_000) as url:
        named = replace(Address.parse(url.get_secret_value()), user="ms_" + "0" * 32)
        dsn = await located(named, GUARD)
        began = time.process_time()
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            async with QuestionConnection.opened(dsn, LIMITS):
                pass
        assert time.process_time() - began < 1
