"""One house for the tests of the management API: its people sign in once."""

from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import ApiHouse, shared_api_house


@pytest.fixture(scope="session")
def api(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """A running meterr with people of every role in two tenants."""
    with shared_api_house(postgres) as house:
        yield house
