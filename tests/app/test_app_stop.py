"""A stop that runs out of patience with a stream: what was reported until then still counts."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

from support.conversation import BODIES, MESSAGES
from support.meterr_house import House, open_house
from support.simulator import read_to_end

SLOW = {"chunks": 60, "text": "word " * 60, "chunk_delay_ms": 100}


def open_stream(house: House) -> socket.socket:
    body = json.dumps({**BODIES[MESSAGES], "stream": True, "simulate": SLOW}).encode()
    connection = socket.create_connection(("127.0.0.1", urlsplit(house.base_url).port), timeout=30)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nhost: meterr\r\nx-api-key: {house.key}\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def test_a_stream_that_outlives_a_stop_keeps_what_the_provider_had_reported(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """P1: a rolling deploy must not meter worse than kill -9 does, nor end a stream in silence."""
    config = "[server]\nstop_timeout_s = 1\n"
    with open_house(database_url, admin_dsn, data_root, config=config) as house:
        connection = open_stream(house)
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
