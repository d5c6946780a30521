"""A stop that runs out of patience with a stream: what was reported until then still counts."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from support.conversation import BODIES, CHAT, MESSAGES, Conversation
from support.meterr_house import House, open_house
from support.simulator import read_to_end, sent_to

SLOW = {"chunks": 60, "text": "word " * 60, "chunk_delay_ms": 100}


def open_stream(house: House) -> socket.socket:
    body = json.dumps({**BODIES[MESSAGES], "stream": True, "simulate": SLOW}).encode()
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nhost: meterr\r\nx-api-key: {house.key}\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return sent_to(urlsplit(house.base_url).port or 0, head.encode() + body)


def test_a_stream_that_outlives_a_stop_keeps_what_the_provider_had_reported(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """P1: a rolling deploy must not meter worse than kill -9 does, nor end a stream in silence."""
    config = "[server]\nstop_timeout_s = 1\n"
    with open_house(database_url, admin_dsn, data_root, config=config) as house:
        with open_stream(house) as connection:
            received = b""
            while received.count(b"event: content_block_delta") < 10:
                received += connection.recv(65_536)
            house.meterr.popen.send_signal(signal.SIGTERM)
            received += read_to_end(connection)
        house.meterr.popen.wait(30)
        (entry,) = house.entries()

    assert b"event: error" in received
    assert ("gateway_stopped", 200) == (entry["outcome"], entry["status"])
    assert "reported-input+answer-chars/4" == entry["estimate"]
    assert 10 <= entry["output"] < 75


def test_a_call_that_a_stop_keeps_from_leaving_cost_nothing(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """P1: it waited for a connection until the end; what never left was not billed."""
    config = "[server]\nstop_timeout_s = 1\n"
    narrow = "connections_max = 1\n"
    with open_house(
        database_url, admin_dsn, data_root, config=config, openai_settings=narrow
    ) as house:
        talk = Conversation(house)
        key, key_id = house.new_key_with_id(name="waits")
        long = {**BODIES[CHAT], "metadata": {"simulate": {"delay_ms": 20_000}}}
        with ThreadPoolExecutor(2) as callers:
            calls = [callers.submit(talk.post, CHAT, long)]
            house.until(lambda: talk.call_count() == 1)
            calls.append(callers.submit(talk.post, CHAT, BODIES[CHAT], key=key))
            house.until(lambda: house.is_opened(key_id))
            house.meterr.popen.send_signal(signal.SIGTERM)
            house.meterr.popen.wait(30)
            for call in calls:
                assert call.exception() is not None
        left, waited = house.entries()
        assert 1 == talk.call_count()

    assert ("gateway_stopped", "gateway_stopped") == (left["outcome"], waited["outcome"])
    assert (key_id, 0) == (waited["key_id"], waited["cost_usd"])
    assert 0 < left["cost_usd"]
