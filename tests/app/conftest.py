"""Two houses for all tests here: each takes seconds to start, and tests look at their own calls."""

from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.conversation import Conversation, shared_house
from support.hostile_provider import HostileProvider, serving

_IMPATIENT = """
[server]
head_timeout_s = 1
body_timeout_s = 1

[gateway]
first_byte_timeout_s = 1
idle_timeout_s = 1
connect_timeout_s = 1
answer_bytes_max = 100000
on_client_gone = "cancel"
"""


@pytest.fixture(scope="session")
def meterr(postgres: EmbeddedPostgres) -> Iterator[Conversation]:
    """A house with the settings that everybody starts with."""
    with shared_house(postgres) as talk:
        yield talk
        talk.assert_booked_once()
        assert [] == talk.faults()


@pytest.fixture(scope="session")
def provider() -> Iterator[HostileProvider]:
    """A provider that answers nonsense, chosen by the path of its base URL."""
    with serving() as hostile:
        yield hostile


@pytest.fixture(scope="session")
def impatient(postgres: EmbeddedPostgres, provider: HostileProvider) -> Iterator[Conversation]:
    """A house whose timeouts are a second, that cancels, and that has hostile providers too."""
    with shared_house(postgres, _IMPATIENT + provider.upstreams()) as talk:
        yield talk
        talk.assert_booked_once()
        assert [] == talk.faults()
