"""What one person or key may ask at most: in a minute, at the same time, and after leaving."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.api_house import told
from support.asking import AskingHouse, asking_house

QUOTA = 12
SLOW = f"select count(*) as slow from {', '.join(f'calls c{n}' for n in range(12))}"
_SETTINGS = f"""
[query]
per_minute = {QUOTA}
at_once_per_person = 1
at_once_max = 4
timeout_s = 60
cost_max = 1e30
"""
_RUNNING = """
    select count(*) from pg_stat_activity
     where application_name = 'meterr question' and state = 'active'
       and position('slow' in query) > 0
"""


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[AskingHouse]:
    """A running meterr that takes few questions."""
    with asking_house(postgres, _SETTINGS) as house:
        yield house


def running(house: AskingHouse) -> int:
    (count,) = house.rows(_RUNNING)[0]
    return int(count)


@contextmanager
def sent(house: AskingHouse, key: str, sql: str) -> Iterator[socket.socket]:
    """Send a question and read nothing; leave with the block."""
    body = json.dumps({"sql": sql}).encode()
    head = (
        f"POST /v1/query HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", house.api.wire.port), timeout=30) as line:
        line.sendall(head.encode() + body)
        yield line


def test_a_question_whose_client_leaves_is_cancelled_in_the_server(house: AskingHouse) -> None:
    """Issue 5.4: nobody waits, so nothing runs; and it is on record."""
    key, key_id = house.key()
    with sent(house, key, SLOW):
        house.api.house.until(lambda: running(house) == 1, timeout_s=20)
    house.api.house.until(lambda: running(house) == 0, timeout_s=20)
    house.api.house.until(lambda: house.events("query.refused", key_id) != [])
    ((*_, detail, _),) = house.events("query.refused", key_id)
    assert ("client-gone", "sql given") == (detail["code"], detail["tier"])
    assert 200 == house.ask({"sql": "select 1 as one"}, key=key)[0]  # its turn is free again


def test_a_person_has_as_many_open_as_they_may(house: AskingHouse) -> None:
    """One at once here; another key of the same tenant is not held up by it."""
    key, _ = house.key()
    other, _ = house.key()
    with sent(house, key, SLOW):
        house.api.house.until(lambda: running(house) == 1, timeout_s=20)
        refused = house.api.send(
            "POST", "/v1/query", {"sql": "select 1"}, {"authorization": f"Bearer {key}"}
        )
        assert (429, "too-many-questions") == (refused.status, told(refused)["code"])
        assert 1 <= int(refused.headers["retry-after"])
        assert 200 == house.ask({"sql": "select 1 as one"}, key=other)[0]
    house.api.house.until(lambda: running(house) == 0, timeout_s=20)


def test_a_minute_takes_so_many_and_says_what_is_left(house: AskingHouse) -> None:
    """429 with Retry-After and RateLimit; a key and a person have windows of their own."""
    key, key_id = house.key()
    headers = {"authorization": f"Bearer {key}"}

    def ask(_: int) -> tuple[int, dict[str, str]]:
        answer = house.api.send("POST", "/v1/query", {"sql": "delete from calls"}, headers)
        return answer.status, answer.headers

    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(ask, range(QUOTA * 2)))
    assert 1 <= sum(status == 400 for status, _ in answers) <= QUOTA
    refused = [told_ for status, told_ in answers if status == 429 and "r=0" in told_["ratelimit"]]
    assert refused
    assert all(f'"questions-per-minute";q={QUOTA};w=60' == h["ratelimit-policy"] for h in refused)
    assert all(1 <= int(h["retry-after"]) <= 60 for h in refused)
    assert 200 == house.answer({"sql": "select 1 as one"}).status
    catalogue = house.api.send("GET", "/v1/query/catalogue", headers=headers)
    assert 200 == catalogue.status  # counts as a request, not as a question
    assert catalogue.headers["ratelimit-policy"].startswith('"requests"')
    house.api.house.until(lambda: house.events("query.limited", key_id) != [])
    assert house.own == house.events("query.limited", key_id)[0][-1]
