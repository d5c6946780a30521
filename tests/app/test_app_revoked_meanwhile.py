"""A key that is revoked, or changed, while its request is still arriving or waits for room."""

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from meterr.core.limits import Measure
from support.conversation import BODIES, CHAT, Conversation
from support.limits import end_rule, set_rule, taken
from support.raw_http import first, request

_HOLD = """
    insert into meterr.limit_pool (tenant_id, limit_id, starts_at)
    select tenant_id, limit_id, 'epoch' from meterr.limit_rule where limit_id = %s
"""
_WAITS = """
    select from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.mark.parametrize(
    ("change", "status"),
    [("state = 'revoked', revoked_at = now()", 401), ("scopes = '{embeddings}'", 403)],
    ids=["revoked", "without its scope"],
)
def test_a_request_that_arrives_slowly_does_not_outlive_its_key(
    meterr: Conversation, change: str, status: int
) -> None:
    """P5, attack: a half-sent request, parked while its key changes, is judged when whole."""
    key = meterr.house.new_key(name="parked")
    body = json.dumps(BODIES[CHAT]).encode()
    kept = {"authorization", "x-api-key", "content-length"}
    headers = {name: value for name, value in meterr.own(CHAT).items() if name.lower() not in kept}
    headers |= {"authorization": f"Bearer {key}", "content-length": str(len(body))}
    with meterr.raw(request("POST", CHAT, headers) + body[:-1]) as parked:
        # The gateway reads in order: once this one is answered, the parked head has been judged.
        assert 200 == meterr.post(CHAT, BODIES[CHAT], key=key).status
        meterr.execute(f"update meterr.api_key set {change} where last4 = %s", key[-4:])
        while meterr.post(CHAT, BODIES[CHAT], key=key).status != status:
            pass

        parked.sendall(body[-1:])

        assert status == first(parked).status


class Waiting:
    """A key whose next call waits for its first slice, because somebody has the window's row."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.owner = f"ada {uuid.uuid4()}"
        self.key, key_id = talk.house.new_key_with_id(name="waiting", owner=self.owner)
        self.rule = set_rule(talk.house, Measure.CONCURRENCY, "1", key=key_id)

    @contextmanager
    def call(self) -> Iterator[socket.socket]:
        """Yield the connection of a call while it waits; then it has its turn, and stays open."""
        with ExitStack() as stack, psycopg.connect(self.talk.house.admin_dsn) as other:
            other.execute(_HOLD, (self.rule.limit_id,))
            body = json.dumps({**BODIES[CHAT], "max_tokens": 300}).encode()
            headers = {**self.talk.own(CHAT, self.key), "content-length": str(len(body))}
            connection = stack.enter_context(self.talk.raw(request("POST", CHAT, headers) + body))
            self.talk.house.until(self._waits)
            yield connection
            other.rollback()
            stack.pop_all()

    def models(self) -> tuple[int, bytes]:
        """Return what the key may use as this gateway knows it, which no limit delays."""
        answer = self.talk.wire.send("GET", "/v1/models", None, self.talk.own(CHAT, self.key))
        return answer.status, answer.body

    def _waits(self) -> bool:
        return bool(self.talk.ledger.execute(_WAITS).fetchall())

    def assert_never_sent(self, before: int) -> None:
        """Hold that the provider saw nothing of it, and that it holds nothing."""
        assert before == self.talk.call_count()
        self.talk.house.until(lambda: taken(self.talk.house, self.rule) == 0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("state = 'revoked', revoked_at = now()", 401),
        ("scopes = '{embeddings}'", 403),
        ("models = '{claude-*}'", 404),
    ],
    ids=["revoked", "without its scope", "without its model"],
)
def test_a_call_that_waits_for_room_does_not_outlive_its_key(
    meterr: Conversation, change: str, status: int
) -> None:
    """P5, attack: a call that waits for a slice is judged by the key as it is when it may go."""
    waiting = Waiting(meterr)
    before, models = meterr.call_count(), waiting.models()
    with waiting.call() as connection:
        meterr.execute(f"update meterr.api_key set {change} where last4 = %s", waiting.key[-4:])
        meterr.house.until(lambda: waiting.models() != models)

    assert status == first(connection).status
    waiting.assert_never_sent(before)


def test_a_call_that_waits_for_room_is_held_to_a_rule_that_came_meanwhile(
    meterr: Conversation,
) -> None:
    """P3: a budget that this process knows of before the call leaves holds for it."""
    waiting = Waiting(meterr)
    other = meterr.house.new_key(owner=waiting.owner)
    # Known from now on: it is one notice that tells this process of the rule, for both keys.
    assert 200 == meterr.post(CHAT, BODIES[CHAT], key=other).status
    with waiting.call() as connection:
        budget = set_rule(meterr.house, Measure.USD, "0", owner=waiting.owner)
        while meterr.post(CHAT, {**BODIES[CHAT], "max_tokens": 9}, key=other).status != 402:
            pass
        before = meterr.call_count()

    assert 402 == first(connection).status
    waiting.assert_never_sent(before)
    end_rule(meterr.house, budget)
