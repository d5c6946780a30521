"""Several gateway processes on one address: started, shared, killed one at a time, stopped."""

import asyncio
import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from support.load import CHAT, MESSAGES, Seen, call
from support.meterr_house import House, open_house, stop
from support.simulator import read_to_end, sent_to
from support.witness import assert_nothing_lost_and_nothing_twice, audit, folders, undrained

WORKERS = 4
CONFIG = f"[server]\nworkers = {WORKERS}\n"
SLOW = {"chunks": 20, "text": "word " * 60, "chunk_delay_ms": 50}


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=CONFIG) as running:
        yield running


def port_of(house: House) -> int:
    return urlsplit(house.base_url).port or 0


def connections(house: House, pid: int) -> int:
    """Return how many client connections a gateway process holds."""
    port = port_of(house)
    held = psutil.Process(pid).net_connections("tcp")
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in held)


def kept(house: House, stack: ExitStack) -> http.client.HTTPConnection:
    """Return a connection that was asked once and stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(house), timeout=30)
    stack.callback(connection.close)
    assert 200 == ask(connection, house.key)
    return connection


def ask(connection: http.client.HTTPConnection, key: str) -> int:
    """Make one call on a kept connection; return its status, 0 when it broke."""
    body = json.dumps(CHAT.body)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.auto_open = 0 if connection.sock else 1
    try:
        connection.request("POST", CHAT.path, body, headers)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
    except (OSError, http.client.HTTPException):
        return 0


def test_all_of_them_serve_and_every_call_is_entered_once(house: House) -> None:
    """P2, issue 3, item 4: a journal folder each, one ledger, connections shared out."""
    assert WORKERS == len(set(house.gateway_pids))
    assert WORKERS == len(folders(house))
    with ExitStack() as stack:
        for _ in range(8 * WORKERS):
            kept(house, stack)
        held = [connections(house, pid) for pid in house.gateway_pids]
    assert 8 * WORKERS == sum(held)
    assert 1 <= min(held)

    house.drained(8 * WORKERS)
    found = audit(house)
    assert 8 * WORKERS == len(found.received)
    assert_nothing_lost_and_nothing_twice(found)


def test_log_lines_name_the_process(house: House) -> None:
    """Who reads the log of four processes can tell them apart."""
    with ExitStack() as stack:
        for _ in range(8 * WORKERS):
            kept(house, stack)
    house.until(lambda: sum('"openai.chat"' in line for line in house.meterr.lines) >= 8 * WORKERS)
    lines = [json.loads(line) for line in house.meterr.lines if '"openai.chat"' in line]
    assert set(house.gateway_pids) == {line["pid"] for line in lines}


def test_the_death_of_one_disturbs_no_other(house: House) -> None:
    """P2: connections of the others go on, the dead one's successor takes its place."""
    before = house.gateway_pids
    with ExitStack() as stack:
        callers = [kept(house, stack) for _ in range(4 * WORKERS)]
        lost = connections(house, before[1])
        os.kill(before[1], signal.SIGKILL)
        house.until(
            lambda: len(house.gateway_pids) == WORKERS and before[1] not in house.gateway_pids
        )
        statuses = [ask(each, house.key) for each in callers]
        assert sorted([0] * lost + [200] * (4 * WORKERS - lost)) == sorted(statuses)
        successor = house.gateway_pids[-1]
        assert set(before) - {before[1]} == set(house.gateway_pids) - {successor}
        house.until(lambda: bool(kept(house, stack)) and connections(house, successor) >= 1)
    house.until(lambda: not undrained(house))
    house.until(lambda: len(folders(house)) == WORKERS)
    assert_nothing_lost_and_nothing_twice(audit(house))


async def at_once(house: House, count: int) -> list[Seen]:
    calls = (call(house.base_url, house.key, kind, (1, 1), {}) for kind in [CHAT, MESSAGES] * count)
    return await asyncio.gather(*calls)


def test_whoever_waits_while_all_of_them_are_dead_is_served_by_the_next(house: House) -> None:
    """P2: the queue is the parent's; no process takes it into its grave."""
    dead = house.gateway_pids
    for pid in dead:
        os.kill(pid, signal.SIGSTOP)  # so that none takes a connection before it dies
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    seen = asyncio.run(at_once(house, 10))
    assert [200] * 20 == [each.status for each in seen]
    house.until(lambda: len(house.gateway_pids) == WORKERS)
    assert set() == set(dead) & set(house.gateway_pids)


def test_a_stop_lets_the_calls_of_all_of_them_finish(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """P1: running streams end whole, on every process, and all is in the ledger before the end."""
    with open_house(database_url, admin_dsn, data_root, config=CONFIG) as house:
        with ExitStack() as stack:
            streams = [stack.enter_context(open_stream(house)) for _ in range(3 * WORKERS)]
            begun = [stream.recv(65_536) for stream in streams]
            assert 2 <= sum(connections(house, pid) > 0 for pid in house.gateway_pids)
            house.meterr.popen.send_signal(signal.SIGTERM)
            answers = [
                first + read_to_end(each) for first, each in zip(begun, streams, strict=True)
            ]
        assert 0 == house.meterr.popen.wait(60)
        stop(house.meterr)
        entries = house.entries()
        left = folders(house)
    assert [] == [each for each in answers if b"data: [DONE]" not in each]
    assert ["complete"] * 3 * WORKERS == [each["outcome"] for each in entries]
    assert [] == left
    assert not any("process_died" in line for line in house.meterr.lines)


def open_stream(house: House) -> socket.socket:
    body = json.dumps(
        {**CHAT.body, "stream": True, "metadata": {"simulate": json.dumps(SLOW)}}
    ).encode()
    head = (
        f"POST {CHAT.path} HTTP/1.1\r\nhost: meterr\r\nauthorization: Bearer {house.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return sent_to(port_of(house), head.encode() + body)
