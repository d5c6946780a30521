"""How many questions one person has open: counted in PostgreSQL, so for all processes alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest

from meterr.core.db import Database, Role
from meterr.query.answers.turns import Turns
from meterr.query.walls import TooManyQuestions
from support.identity import until

MINUTE_S = 60
LEFT = "select 1 from meterr.question_turn"


@asynccontextmanager
async def processes(database_url: str, at_once_max: int) -> AsyncIterator[tuple[Turns, Turns]]:
    """Two that have nothing in common but the database."""
    async with (
        Database.open(database_url, Role.APP, pool_size_max=4) as one,
        Database.open(database_url, Role.APP, pool_size_max=4) as other,
    ):
        yield Turns(one, at_once_max), Turns(other, at_once_max)


async def test_several_processes_count_one_persons_questions_together(database_url: str) -> None:
    """Issue 5.7: concurrency per user, however many workers there are."""
    async with processes(database_url, 2) as (one, other):
        async with one.taken("user a", MINUTE_S), other.taken("user a", MINUTE_S):
            for each in (one, other):
                with pytest.raises(TooManyQuestions, match="2 questions are running"):
                    async with each.taken("user a", MINUTE_S):
                        raise AssertionError("a third one")
            async with other.taken("user b", MINUTE_S):  # is not held up by it
                pass
        async with other.taken("user a", MINUTE_S):
            pass


async def test_many_who_come_at_once_get_every_place_and_none_twice(database_url: str) -> None:
    """Neither one too many nor one too few, whoever waits for whom."""
    async with processes(database_url, 3) as both, AsyncExitStack() as held:
        ends = held.enter_async_context
        asked = [ends(both[n % 2].taken("user c", MINUTE_S)) for n in range(20)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert 3 == ended.count(None)
        assert 17 == sum(isinstance(each, TooManyQuestions) for each in ended)


async def test_what_a_killed_process_left_open_ends_by_itself(
    database_url: str, admin_dsn: str
) -> None:
    """Nobody is shut out for longer than a question may take."""
    async with processes(database_url, 1) as (one, other), one.taken("user d", MINUTE_S):
        with pytest.raises(TooManyQuestions):
            await other.taken("user d", MINUTE_S).__aenter__()
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            admin.execute("update meterr.question_turn set ends_at = now() - interval '1 s'")
        async with other.taken("user d", MINUTE_S):
            with psycopg.connect(admin_dsn) as admin:
                left = admin.execute("select asker from meterr.question_turn").fetchall()
    assert [("user d",)] == left


async def test_whoever_leaves_while_a_turn_is_taken_gives_it_back(
    database_url: str, admin_dsn: str
) -> None:
    """A page that is reloaded again and again shuts nobody out of their own questions."""
    async with processes(database_url, 1) as (one, other):
        begun = asyncio.Event()

        async def ask() -> None:
            async with one.taken("user e", MINUTE_S):
                begun.set()
                await asyncio.Event().wait()

        async with other.taken("user f", MINUTE_S), one.taken("user g", MINUTE_S):
            pass  # there are connections to both
        patience = 0
        while not begun.is_set():  # cancelled at every step on the way there
            asking = asyncio.create_task(ask())
            for _ in range(patience):
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            with psycopg.connect(admin_dsn, autocommit=True) as admin:
                await until(lambda: admin.execute(LEFT).fetchone() is None)
            async with other.taken("user e", MINUTE_S):
                pass
            patience += 1 + patience // 8
