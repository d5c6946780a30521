"""What tests about people and their keys share: the two houses, on one database."""

from collections.abc import AsyncIterator

import pytest

from support.identity import House as Keys
from support.people import PeopleHouse


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as house:
        yield house


@pytest.fixture
async def keys(database_url: str) -> AsyncIterator[Keys]:
    async with Keys.open(database_url) as house:
        yield house
