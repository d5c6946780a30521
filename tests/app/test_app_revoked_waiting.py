"""A key that is revoked while its call waits for a connection to the provider."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.conversation import BODIES, CHAT, Conversation
from support.meterr_house import open_house


@pytest.fixture
def talk(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[Conversation]:
    """A house with one connection to its provider, for all calls together."""
    narrow = "connections_max = 1\n"
    with open_house(database_url, admin_dsn, data_root, openai_settings=narrow) as house:
        talk = Conversation(house)
        with talk.ledger:
            yield talk


def test_a_call_that_waits_for_a_connection_does_not_leave_with_a_revoked_key(
    talk: Conversation,
) -> None:
    """P5, attack: calls that queue for the provider would outlive their key by seconds."""
    house, before = talk.house, talk.call_count()
    key, key_id = house.new_key_with_id(name="to be revoked")
    long = {**BODIES[CHAT], "metadata": {"simulate": {"delay_ms": 4_000}}}
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(talk.post, CHAT, long)
        house.until(lambda: talk.call_count() > before)
        waiting = callers.submit(talk.post, CHAT, BODIES[CHAT], key=key)
        house.until(lambda: house.is_opened(key_id))
        talk.execute(
            "update meterr.api_key set state = 'revoked', revoked_at = now() where key_id = %s",
            key_id,
        )

        assert (200, 401) == (first.result().status, waiting.result().status)
    assert 1 == talk.call_count() - before
    entry = talk.entry(waiting.result())
    assert ("refused", 0) == (entry["outcome"], entry["cost_usd"])
