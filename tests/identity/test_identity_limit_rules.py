"""A limit travels with its keys: a change of a rule reaches every process as a revocation does."""

import uuid
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from meterr.core.limits import Limit
from meterr.identity import Authenticator
from meterr.identity.model import NewKey
from support.identity import House, until

_SET = """
    insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject, span, amount)
    values (%s, %s, 'requests', %s, %s, 'minute', %s)
"""
_CHANGE = "update meterr.limit_rule set amount = %s where limit_id = %s"
_END = "update meterr.limit_rule set ended_at = now() where limit_id = %s"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


class Rules:
    """An operator's session; every statement is a transaction."""

    def __init__(self, house: House, connection: psycopg.AsyncConnection[object]) -> None:
        self._house = house
        self._connection = connection

    async def set(self, amount: int, scope: str = "tenant", subject: str = "") -> str:
        limit_id = str(uuid.uuid4())
        values = (self._house.tenant_id, limit_id, scope, subject, amount)
        await self._connection.execute(_SET, values)
        return limit_id

    async def change(self, limit_id: str, amount: int) -> None:
        await self._connection.execute(_CHANGE, (amount, limit_id))

    async def end(self, limit_id: str) -> None:
        await self._connection.execute(_END, (limit_id,))


@pytest.fixture
async def rules(house: House, admin_dsn: str) -> AsyncIterator[Rules]:
    async with await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as connection:
        yield Rules(house, connection)


def known(process: Authenticator, key: NewKey) -> list[int] | None:
    """Return the amounts that a process would hold a key to from memory."""
    principal = process.warm(key.secret.presented)
    return None if principal is None else sorted(map(_amount, principal.limits))


def _amount(limit: Limit) -> int:
    return int(limit.amount)


async def agreed(processes: Sequence[Authenticator], key: NewKey, amounts: list[int]) -> bool:
    """Wait until every process knows these amounts, without ever having been asked by a caller."""
    for process in processes:
        await until(lambda process=process: known(process, key) == amounts)
    return all(known(process, key) == amounts for process in processes)


async def test_a_rule_that_is_set_changed_and_ended_reaches_every_process(
    house: House, rules: Rules
) -> None:
    """Issue 3, item 4: by notice, into the memory of warm keys, with no call in between."""
    key = await house.key()
    async with house.process() as one, house.process() as two, house.process() as three:
        processes = (one, two, three)
        for process in processes:
            await process.authenticate(key.secret.presented)
        assert await agreed(processes, key, [])

        limit_id = await rules.set(5)
        assert await agreed(processes, key, [5])
        await rules.change(limit_id, 7)
        assert await agreed(processes, key, [7])
        await rules.end(limit_id)
        assert await agreed(processes, key, [])


async def test_a_rule_holds_the_keys_that_it_names_and_no_others(
    house: House, rules: Rules
) -> None:
    """P4 in small: one key's rule is not another key's."""
    mine, other = await house.key(), await house.key()
    async with house.process() as process:
        for key in (mine, other):
            await process.authenticate(key.secret.presented)
        await rules.set(3, "key", mine.record.key_id)
        await rules.set(9)
        assert await agreed([process], mine, [3, 9])
        assert await agreed([process], other, [9])


async def test_of_many_changes_the_last_one_stays(house: House, rules: Rules) -> None:
    """DESIGN 4: a write-back with an older version is dropped, however reads and notices race."""
    key = await house.key()
    async with house.process() as one, house.process() as two:
        for process in (one, two):
            await process.authenticate(key.secret.presented)
        limit_id = await rules.set(1)
        for amount in range(2, 200):
            await rules.change(limit_id, amount)
        assert await agreed((one, two), key, [199])
