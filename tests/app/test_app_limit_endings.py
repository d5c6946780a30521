"""However a call ends, its limits get back what they must, and keep what was spent."""

import json
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterr.core.limits import Measure
from meterr.ledger.limits import LimitRecord
from support.conversation import BODIES, CHAT, MESSAGES, RESPONSES, Conversation
from support.hostile_provider import ABSENT, HostileProvider
from support.limits import drawn, set_rule, spent, taken
from support.meterr_house import open_house
from support.simulator import Answer

LONG = {"text": "word " * 200, "chunks": 20}
PATHS = {"openai.chat": CHAT, "openai.responses": RESPONSES, "anthropic.messages": MESSAGES}
BOUND = {CHAT: "max_tokens", RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}
ENDINGS: dict[str, dict[str, Any]] = {
    "whole": {},
    "streamed": {"stream": True},
    "refused by the provider": {"simulate": {"status": 400}},
    "failed at the provider": {"simulate": {"status": 500}},
    "cut off": {"stream": True, "simulate": {**LONG, "cut_after": 5}},
    "an error inside the stream": {"stream": True, "simulate": {**LONG, "error_after": 5}},
    "no usage": {"simulate": {"usage_place": "none"}},
    "absurd usage": {"simulate": {"usage": {"prompt_tokens": -1}}},
    "no JSON": {"simulate": {"malformed": "html"}},
    "a tier without a price": {"simulate": {"tier": "scale"}},
}
KNOWN = ("whole", "streamed", "refused by the provider", "failed at the provider")
OUTPUT_MAX = 300


class Held:
    """A key that may run one call at a time, ten a minute, under a budget."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.key, key_id = talk.house.new_key_with_id()
        self.budget: LimitRecord = set_rule(talk.house, Measure.USD, "0.5", key=key_id)
        set_rule(talk.house, Measure.CONCURRENCY, "1", key=key_id)
        set_rule(talk.house, Measure.REQUESTS, "10", key=key_id)

    def ask(self, path: str, *, simulate: Any = None, **fields: Any) -> Answer:
        if simulate is not None:  # in a field that providers know: an unknown one costs windows
            fields["metadata"] = {"simulate": simulate}
        fields = {**BODIES[path], BOUND[path]: OUTPUT_MAX, **fields}
        return self.talk.post(path, fields, key=self.key)

    def requests_left(self) -> int:
        """Make one usual call, which passes; return how many more may follow."""
        answer = self.ask(CHAT)
        assert 200 == answer.status
        return int(answer.headers["x-ratelimit-remaining-requests"])

    def assert_only_what_was_drawn_is_taken(self, *entries: dict[str, Any]) -> None:
        """Hold that every cent that is not in the ledger can be spent by somebody else."""
        usd = sum(map(drawn, entries), Decimal(0))
        house = self.talk.house
        house.until(lambda: usd == spent(house, self.budget) == taken(house, self.budget), 15)


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_call_that_left_counts_once_and_gives_back_the_rest(
    meterr: Conversation, ending: str, path: str
) -> None:
    """P3: it draws its exact cost, else all that it may be billed; its request counts once."""
    held = Held(meterr)
    first = held.ask(path, **ENDINGS[ending])
    assert 8 == held.requests_left()
    entry = meterr.entry(first)
    assert entry["leases"]
    if ending in KNOWN:
        assert (entry["cost_usd"], None) == (drawn(entry), entry["drawn_usd"])
    else:
        assert entry["drawn_usd"] > most_billed(meterr, entry) > (entry["cost_usd"] or 0)


def test_in_the_end_only_what_was_drawn_is_taken(meterr: Conversation) -> None:
    """P3: of every ending; all at once, because what nobody uses goes back after some seconds."""
    ended = []
    for fields in ENDINGS.values():
        held = Held(meterr)
        ended.append((held, [meterr.entry(held.ask(CHAT, **more)) for more in (fields, {}, {})]))
    for held, entries in ended:
        held.assert_only_what_was_drawn_is_taken(*entries)


def test_a_search_that_no_usage_tells_of_draws_its_whole_reservation(meterr: Conversation) -> None:
    """P3, attack: chat's usage has no place for searches, so its cost is never all of the bill."""
    held = Held(meterr)
    searching = {"model": "gpt-4o-mini-search-preview", "web_search_options": {}}
    entry = meterr.entry(held.ask(CHAT, max_tokens=8, **searching))
    assert entry["drawn_usd"] > Decimal("0.01") > entry["cost_usd"]
    held.assert_only_what_was_drawn_is_taken(entry)


def most_billed(talk: Conversation, entry: dict[str, Any]) -> Decimal:
    """Return what a provider bills for that prompt and the longest answer, at the usual price."""
    usual = talk.entry(talk.post(PATHS[entry["surface"]], BODIES[PATHS[entry["surface"]]]))
    return talk.recomputed({**usual, "output": OUTPUT_MAX})


@pytest.mark.parametrize("after", ["arrival", "first bytes"])
def test_a_call_whose_client_left_is_settled_all_the_same(meterr: Conversation, after: str) -> None:
    """P3: the provider worked on, so it is spent; what it did not take comes back."""
    held = Held(meterr)
    before = meterr.call_count()
    with streaming(meterr, held.key) as connection:
        if after == "first bytes":
            assert connection.recv(65536)
        meterr.house.until(lambda: meterr.call_count() > before)
    (call,) = meterr.calls_after(before)
    entry = meterr.entry(call["caller_id"])
    assert "client_gone" == entry["outcome"]
    assert 8 == held.requests_left()


def test_a_call_that_never_left_takes_nothing_at_all(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """P3: no connection to the provider: the request itself comes back, too."""
    held = Held(impatient)
    failed = held.ask(CHAT, model=provider.model(ABSENT))
    assert 502 == failed.status
    assert "cannot be reached" in failed.json()["error"]["message"]
    assert 9 == held.requests_left()


def test_a_call_that_was_never_answered_keeps_its_reservation(impatient: Conversation) -> None:
    """P3: the provider may have made the longest answer, and bill it."""
    held = Held(impatient)
    answer = held.ask(CHAT, simulate={"never_answer": True})
    assert 504 == answer.status
    entry = impatient.entry(answer)
    assert entry["drawn_usd"] > most_billed(impatient, entry) > entry["cost_usd"] > 0
    assert 8 == held.requests_left()


def test_what_a_killed_process_held_comes_back_but_for_what_it_spent(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """P3: its journal is read to the end first; then only what was spent stays taken."""
    with open_house(database_url, admin_dsn, data_root) as house:
        talk = Conversation(house)
        rule = set_rule(house, Measure.USD, "5")
        assert 200 == talk.post(CHAT, BODIES[CHAT]).status
        with streaming(talk, house.key) as connection:
            assert connection.recv(65536)
            killed = house.gateway_pid
            house.kill_gateway()
            house.wait_for_restart(killed)
        entries = house.drained(2)
        cost = sum((entry["cost_usd"] for entry in entries), Decimal(0))
        assert ["interrupted", "settled"] == sorted(entry["state"] for entry in entries)
        house.until(lambda: cost == spent(house, rule) == taken(house, rule), 20)


def test_an_upstream_takes_so_many_calls_at_once_from_everybody(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """Issue 3: concurrency per upstream (Kimi's tiers), whatever the key; 429 and Retry-After."""
    narrow = "concurrency_max = 1"
    with open_house(database_url, admin_dsn, data_root, openai_settings=narrow) as house:
        talk = Conversation(house)
        other = house.new_key()
        house.until(lambda: 200 == talk.post(CHAT, BODIES[CHAT], key=other).status)
        with streaming(talk, house.key) as connection:
            assert connection.recv(65536)
            refused = talk.post(CHAT, BODIES[CHAT], key=other)
            assert (429, "1") == (refused.status, refused.headers["retry-after"])
            kimi = {**BODIES[CHAT], "model": "kimi-k2.6"}
            assert 200 == talk.post(CHAT, kimi, key=other).status
        house.until(lambda: 200 == talk.post(CHAT, BODIES[CHAT], key=other).status)


def streaming(talk: Conversation, key: str) -> socket.socket:
    """Send a call that streams for two seconds and return the open socket."""
    slow = {"text": "word " * 100, "chunks": 20, "chunk_delay_ms": 100}
    fields = {**BODIES[CHAT], "max_tokens": 300, "stream": True, "simulate": slow}
    body = json.dumps(fields).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in talk.own(CHAT, key).items())
    return talk.raw(
        f"POST {CHAT} HTTP/1.1\r\nhost: m\r\n{head}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
