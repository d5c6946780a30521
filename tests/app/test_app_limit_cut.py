"""Attacks on a hard budget by calls that are cut: the provider may bill what nobody waits for."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterr.core.limits import Measure
from support.conversation import CHAT, Conversation
from support.limits import drawn, set_rule, spent, taken
from support.meterr_house import House, open_house
from support.simulator import Answer

OUTPUT_MAX = 16_000
BILLED = Decimal("0.0096")  # 16,000 tokens of gpt-4o-mini at 60 cents a million
BUDGET = "0.012"  # so two such calls do not fit, whatever their prompts cost
BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Count to a million."}],
    "max_completion_tokens": OUTPUT_MAX,
    "service_tier": "default",
}
SLOW = {"text": "one " * 2_000, "chunks": 20, "chunk_delay_ms": 200}
IMPATIENT = """
[server]
stop_timeout_s = 1
[gateway]
first_byte_timeout_s = 1
idle_timeout_s = 1
on_client_gone = "cancel"
"""


class Attacker:
    """Somebody with a key of so small a budget that one long call takes most of it."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.key, key_id = talk.house.new_key_with_id()
        self.budget = set_rule(talk.house, Measure.USD, BUDGET, key=key_id)

    def ask(self, *, simulate: Any = None, **fields: Any) -> Answer:
        return self.talk.post(CHAT, _body(simulate, fields), key=self.key)

    @contextmanager
    def calling(self, *, simulate: Any = None, **fields: Any) -> Iterator[str]:
        """Make a call; once the provider has it yield its id, and in the end leave."""
        talk, before = self.talk, self.talk.call_count()
        body = json.dumps(_body(simulate, fields)).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in talk.own(CHAT, self.key).items())
        sent = f"POST {CHAT} HTTP/1.1\r\nhost: m\r\n{head}content-length: {len(body)}\r\n\r\n"
        with talk.raw(sent.encode() + body):
            talk.house.until(lambda: talk.call_count() > before)
            (call,) = talk.calls_after(before)
            yield str(call["caller_id"])

    def leave(self, **fields: Any) -> str:
        """Make a call and go as soon as the provider has it; return its id."""
        with self.calling(**fields) as call_id:
            return call_id

    def assert_has_room_for_small_calls_only(self) -> None:
        """Hold that what was reserved is gone, and that the rest of the budget is not."""
        assert 402 == self.ask().status
        assert 200 == self.ask(max_completion_tokens=10).status


def _body(simulate: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a request; ``simulate`` stands where providers read nothing, else it is unknown."""
    return {**BODY, **fields, "metadata": {"simulate": simulate or {}}}


def id_of(answer: Answer) -> str:
    return answer.headers["x-meterr-request-id"]


ATTACKS: dict[str, Callable[[Attacker], str]] = {
    "the client leaves and the provider never answers": lambda one: one.leave(
        simulate={"never_answer": True}
    ),
    "the provider does not answer in time": lambda one: id_of(
        one.ask(simulate={"never_answer": True})
    ),
    "the client leaves a stream, which is cancelled": lambda one: one.leave(
        stream=True, simulate=SLOW
    ),
    "the provider's stream breaks off": lambda one: id_of(
        one.ask(stream=True, simulate={**SLOW, "chunk_delay_ms": 0, "cut_after": 2})
    ),
    "the provider answers without usage": lambda one: id_of(
        one.ask(simulate={"usage_place": "none"})
    ),
    "the price of what the provider used is unknown": lambda one: id_of(
        one.ask(simulate={"tier": "scale"})
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_cut_call_draws_all_that_it_had_reserved(impatient: Conversation, attack: str) -> None:
    """P3: its cost is an honest estimate, or unknown; its budget counts what may be billed."""
    attacker = Attacker(impatient)
    entry = impatient.entry(ATTACKS[attack](attacker))
    assert (entry["cost_usd"] or 0) < BILLED / 10 < BILLED < entry["drawn_usd"] < Decimal(BUDGET)
    assert entry["estimate"] or entry["cost_usd"] is None
    attacker.assert_has_room_for_small_calls_only()


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=IMPATIENT) as running:
        yield running


def test_no_cut_call_frees_its_reservation_when_its_process_ends(house: House) -> None:
    """P3: what was drawn is in the ledger, so whoever starts next goes on from there."""
    talk = Conversation(house)
    with talk.ledger:
        attackers = [Attacker(talk) for _ in ATTACKS]
        calls = [attack(each) for each, attack in zip(attackers, ATTACKS.values(), strict=True)]
        attackers.append(Attacker(talk))
        with attackers[-1].calling(stream=True, simulate=SLOW) as stopped:
            house.serve_again()
        assert "gateway_stopped" == talk.entry(stopped)["outcome"]
        del talk.wire
        for attacker, call in zip(attackers, [*calls, stopped], strict=True):
            usd = drawn(talk.entry(call))
            assert BILLED < usd
            house.until(lambda usd=usd, rule=attacker.budget: usd == taken(house, rule))
            assert usd == spent(house, attacker.budget)
            attacker.assert_has_room_for_small_calls_only()
