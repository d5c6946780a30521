"""One house for the tests of the management API: its people sign in once."""

from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import ApiHouse, shared_api_house

# An origin that may read answers to API keys must still read nothing of this API. Tests that guess
# say that they come from elsewhere, so that nobody else is slowed down by them.
_SETTINGS = """
[server]
cors_origins = ["https://app.example.com"]
trusted_proxies = ["127.0.0.1/32"]
api_requests_per_minute = 100000

[query]
per_minute = 100000
"""


@pytest.fixture(scope="session")
def api(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """A running meterr with people of every role in two tenants."""
    with shared_api_house(postgres, _SETTINGS) as house:
        yield house
