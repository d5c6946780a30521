"""A source's database that keeps to the protocol and answers what no PostgreSQL would."""

import asyncio
import json

import msgspec
import pytest

from meterr.core.db import DatabaseUnavailable
from meterr.core.errors import MeterrError
from meterr.core.http.outbound import AllowList, Guard
from meterr.query.protection import Address, Shape, SourceUnavailable, Table, located, opened, plan
from meterr.query.protection.model import Credentials
from meterr.query.run import Limits
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.execution import execute
from meterr.query.sources import store
from meterr.query.sources.opening import seen
from support.lying_postgres import (
    DEEP,
    NOTIFIED,
    PLAN,
    UNDONE,
    an_error,
    answering,
    one_value,
    prepared,
)

GUARD = Guard(AllowList.parse(("127.0.0.0/8",)))
LIMITS = Limits(timeout_s=20)
ORDERS = Shape((Table("shop", "orders"),))
LINE = {
    "schema": "shop", "relation": "orders", "about": "", "column": "id", "type": "integer",
    "meaning": "", "category": "N", "shared": True, "held": True,
}  # fmt: skip
WRONG = {
    "no JSON": b"[{",
    "no list": b"1",
    "no text": b"\xff\xfe",
    "too deep": b"[" * 100_000,
    "a column less": json.dumps([{"schema": "shop"}]).encode(),
    "null": json.dumps([LINE | {"schema": None}]).encode(),
    "another type": json.dumps([LINE | {"shared": 1}]).encode(),
    "half a character": json.dumps([LINE | {"column": "\ud800"}]).encode(),
    "a table that nobody chose": json.dumps([LINE | {"relation": "secrets"}]).encode(),
    "a column twice": json.dumps([LINE, LINE]).encode(),
}
VALUES = {
    "a plan that is none": [prepared(), one_value(b"{", 114)],
    "a plan without end": [prepared(), one_value(b"[" * 100_000, 114)],
    "a cost beyond numbers": [
        prepared(), one_value(b'[{"Plan": {"Total Cost": %s}}]' % (b"9" * 4000), 114),
    ],
    "a number that is none": [prepared(), PLAN, one_value(b"zzz", 23)],
    "a fraction that is none": [prepared(), PLAN, one_value(b"zzz", 701)],
    "a time in no encoding": [prepared(), PLAN, one_value(b"\xff", 1184)],
    "a list of what is none": [prepared(), PLAN, one_value(b"{zzz}", 1007)],
    "a list in lists without end": [prepared(), PLAN, one_value(DEEP, 1007)],
    "an error nowhere": [an_error(P=b"9" * 5000)],
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_tables_that_no_server_has_are_a_clear_error(wrong: str) -> None:
    """Issue 5: never ours, and never a table or column that it made up."""
    async with answering(one_value(WRONG[wrong])) as url:
        opening = opened(Address.parse(url.get_secret_value()), GUARD, autocommit=True)
        with pytest.raises(SourceUnavailable, match="does not answer as PostgreSQL does"):
            async with opening as connection:
                seen(await store.describe(connection, ORDERS), ORDERS)


async def test_the_tables_of_an_honest_server_are_read() -> None:
    """What the lies are told from."""
    async with answering(one_value(json.dumps([LINE]).encode(), name=b"\xff")) as url:
        opening = opened(Address.parse(url.get_secret_value()), GUARD, autocommit=True)
        async with opening as connection:
            found = seen(await store.describe(connection, ORDERS), ORDERS)
    assert found.find("shop", "orders") is not None


async def test_nobody_waits_for_a_server_that_has_answered() -> None:
    """It says that a transaction was begun, which none was, and then nothing to its end."""
    answer = one_value(json.dumps([LINE]).encode())
    async with answering(answer, hangs_up=False) as url, asyncio.timeout(5):
        opening = opened(Address.parse(url.get_secret_value()), GUARD, autocommit=True)
        async with opening as connection:
            assert 1 == len(await store.describe(connection, ORDERS))


async def test_more_columns_than_anybody_has_are_not_read() -> None:
    """While an answer is read nobody else is served."""
    lines = [LINE | {"column": f"c{number}"} for number in range(40_000)]
    async with answering(one_value(json.dumps(lines).encode())) as url:
        opening = opened(Address.parse(url.get_secret_value()), GUARD, autocommit=True)
        with pytest.raises(SourceUnavailable):
            async with opening as connection:
                await store.describe(connection, ORDERS)


@pytest.mark.parametrize("lie", VALUES)
async def test_a_value_that_cannot_be_read_is_a_clear_error(lie: str) -> None:
    """Issue 5: the limits of a question are ours, and so are its errors."""
    async with answering(*VALUES[lie]) as url:
        dsn = await located(Address.parse(url.get_secret_value()), GUARD)
        async with QuestionConnection.opened(dsn, LIMITS) as connection:
            with pytest.raises(MeterrError) as caught:
                msgspec.json.encode(await execute(connection, b"select 1", LIMITS))
    assert isinstance(caught.value, DatabaseUnavailable) or "nowhere" in lie


async def test_what_a_server_tells_unasked_is_not_heard() -> None:
    """A notification whose text is none ends no question."""
    answers = prepared(NOTIFIED), PLAN, one_value(b"1")
    async with answering(*answers) as url:
        dsn = await located(Address.parse(url.get_secret_value()), GUARD)
        async with QuestionConnection.opened(dsn, LIMITS) as connection:
            _, rows, _ = await execute(connection, b"select 1", LIMITS)
    assert (("1",),) == rows


@pytest.mark.parametrize("wrong", ["no JSON", "no list", "no text", "null", "a column less"])
async def test_a_server_to_be_protected_is_held_to_its_words_too(wrong: str) -> None:
    """'meterr source protect' ends with a sentence, whatever the server says."""
    async with answering(one_value(b""), one_value(WRONG[wrong]), UNDONE) as url:
        address = Address.parse(url.get_secret_value())
        made = Credentials("ms_" + "0" * 32, address.password, "mr_" + "0" * 32)
        with pytest.raises(SourceUnavailable, match="does not answer as PostgreSQL does"):
            async with opened(address, GUARD) as admin:
                await plan(admin, ORDERS, made, [])
