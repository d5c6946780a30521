"""Limits on real sockets: what passes, what is refused, and that a refused call took nothing."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from meterr import ledger
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.limits import Measure
from meterr.core.principal import UnknownPrice
from support.conversation import BODIES, CHAT, MESSAGES, RESPONSES, Conversation
from support.limits import events, set_rule, spent
from support.simulator import Answer

SLOW = {"delay_ms": 2500}
OF_60_TOKENS = {"usage": {"prompt_tokens": 20, "completion_tokens": 40, "total_tokens": 60}}
REMAINING = "x-ratelimit-remaining-requests"


def ask(
    talk: Conversation, key: str, path: str = CHAT, *, simulate: Any = None, **fields: Any
) -> Answer:
    bound = "max_output_tokens" if path == RESPONSES else "max_tokens"
    if simulate is not None:  # in a field that providers know: an unknown one reserves the window
        fields["metadata"] = {"simulate": simulate}
    return talk.post(path, {**BODIES[path], bound: 40, **fields}, key=key)


def asks(talk: Conversation, key: str, count: int, **fields: Any) -> list[Answer]:
    """Make calls all at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: ask(talk, key, **fields), range(count)))


@contextmanager
def running(talk: Conversation, key: str, **fields: Any) -> Iterator[None]:
    """Have a call at the provider for the block, and its answer read at the end of it."""
    before = talk.call_count()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, talk, key, simulate=SLOW, **fields)
        talk.house.until(lambda: talk.call_count() > before)
        yield
        assert 200 == call.result().status


def statuses(answers: list[Answer]) -> list[int]:
    return sorted(answer.status for answer in answers)


def code(answer: Answer) -> str:
    return str(answer.json()["error"]["code"])


async def price(talk: Conversation, model: str) -> None:
    """Set a price of our own for a model that the bundled list does not know."""
    terms = ledger.NewOverride(
        provider="openai",
        model=model,
        rates={"input": "1", "output": "2"},
        author="test",
        reason="test",
        effective_from_ms=0,
    )
    async with Database.open(talk.house.database_url, Role.APP) as db:
        await ledger.set_price_override(db, IdFactory(SystemClock()), terms)


def test_of_five_calls_of_60_tokens_at_100_a_minute_one_passes(meterr: Conversation) -> None:
    """S2:162, Issue 3: at most one passes until the window moves; and one does."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.TOKENS, "100", key=key_id)
    assert [200, 429, 429, 429, 429] == statuses(asks(meterr, key, 5, simulate=OF_60_TOKENS))
    later = ask(meterr, key, simulate=OF_60_TOKENS)
    assert (429, "rate_limit_exceeded") == (later.status, code(later))
    assert 1 <= int(later.headers["retry-after"]) <= 60
    assert ("100", "40") == tuple(
        later.headers[f"x-ratelimit-{each}-tokens"] for each in ("limit", "remaining")
    )


def test_a_refused_call_takes_nothing_and_has_its_entry(meterr: Conversation) -> None:
    """Issue 3: a refused request gives back what it took: here the rate, refused by concurrency."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.REQUESTS, "2", key=key_id)
    set_rule(meterr.house, Measure.CONCURRENCY, "1", key=key_id)
    with running(meterr, key):
        refused = [ask(meterr, key) for _ in range(3)]
    assert [429] * 3 == statuses(refused)
    assert {"1"} == {answer.headers["retry-after"] for answer in refused}
    entry = meterr.entry(refused[0])
    assert ("refused", "refused", "concurrency-reached", None, 429) == tuple(
        entry[each] for each in ("state", "outcome", "error", "cost_usd", "status")
    )
    passed = ask(meterr, key)
    assert (200, "0") == (passed.status, passed.headers[REMAINING])
    last = ask(meterr, key)
    assert (429, "rate-limit-reached") == (last.status, meterr.entry(last)["error"])


def test_so_many_calls_run_at_once_and_no_more(meterr: Conversation) -> None:
    """Issue 3: concurrency; what ended makes room at once."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.CONCURRENCY, "3", key=key_id)
    found = statuses(asks(meterr, key, 8, simulate=SLOW))
    assert [200] * 3 + [429] * 5 == found
    assert [200] * 3 == statuses(asks(meterr, key, 3))


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_a_budget_is_spent_and_never_more(meterr: Conversation, path: str) -> None:
    """P3: calls pass while the most that the next can cost still fits; then 402."""
    key, key_id = meterr.house.new_key_with_id()
    amount = Decimal("0.0006") if path != MESSAGES else Decimal("0.002")
    rule = set_rule(meterr.house, Measure.USD, str(amount), key=key_id)
    cost, refused = Decimal(0), None
    for _ in range(100):
        answer = ask(meterr, key, path)
        if answer.status != 200:
            refused = answer
            break
        cost += Decimal(answer.headers["x-meterr-cost-usd"])
    assert refused is not None
    assert 402 == refused.status
    assert "false" == refused.headers["x-should-retry"]
    assert amount / 2 < cost <= amount
    assert "budget-reached" == meterr.entry(refused)["error"]
    meterr.house.until(lambda: cost == spent(meterr.house, rule))


def test_a_budget_holds_when_many_ask_at_once(meterr: Conversation) -> None:
    """P3: reserved before it leaves, so calls that run at the same time cannot overrun it."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.USD, "0.0002", key=key_id)
    answers = asks(meterr, key, 24, simulate={"delay_ms": 200})
    costs = [Decimal(each.headers["x-meterr-cost-usd"]) for each in answers if each.status == 200]
    assert {200, 402} == set(statuses(answers))
    assert 0 < sum(costs) <= Decimal("0.0002")


def test_keys_of_one_owner_draw_from_one_limit(meterr: Conversation) -> None:
    """Issue 3: budgets and limits per user; a key of somebody else is not concerned."""
    mine, other = (meterr.house.new_key(owner="ada") for _ in range(2))
    set_rule(meterr.house, Measure.REQUESTS, "2", owner="ada")
    assert [200, 200, 429] == [ask(meterr, key).status for key in (mine, other, mine)]
    assert 200 == ask(meterr, meterr.house.new_key(owner="grace")).status


def test_a_limit_of_a_model_holds_however_the_name_is_spelled(meterr: Conversation) -> None:
    """P3, attack: prices and many providers do not care for case; no way around a limit either."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.REQUESTS, "1", key=key_id, model="GPT-4o-*")
    found = [ask(meterr, key, model="gpt-4o-mini").status for _ in range(2)]
    assert [200, 429] == found


def test_a_limit_of_a_model_holds_for_that_model(meterr: Conversation) -> None:
    """Issue 3: per model within any of these, by the same patterns that keys have."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.REQUESTS, "1", key=key_id, model="gpt-4o-*")
    found = [ask(meterr, key, model=model).status for model in ("gpt-4o-mini", "gpt-4.1-mini")]
    assert [200, 200] == found
    assert [429, 200] == [
        ask(meterr, key, model=model).status for model in ("gpt-4o-mini", "gpt-4.1-mini")
    ]


def test_a_soft_budget_refuses_nothing_and_is_noted(meterr: Conversation) -> None:
    """Issue 3: soft: events only, at 50, 80, 95 and 100 %."""
    key, key_id = meterr.house.new_key_with_id()
    rule = set_rule(meterr.house, Measure.USD, "0.00001", key=key_id, hard=False)
    assert [200] * 3 == [ask(meterr, key).status for _ in range(3)]
    meterr.house.until(lambda: [50, 80, 95, 100] == events(meterr.house, rule))


def test_a_call_without_any_bound_is_told_how_to_get_one(meterr: Conversation) -> None:
    """Issue 3: else unbounded: refused with a clear sentence that names the way out."""
    model = "unpriced-of-our-own"  # nobody states its context window
    asyncio.run(price(meterr, model))
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.USD, "5", key=key_id)
    body = {**BODIES[CHAT], "model": model}
    meterr.house.until(lambda: 402 != meterr.post(CHAT, body, key=key).status, 20)
    answer = meterr.post(CHAT, body, key=key)
    assert (400, "call-unbounded") == (answer.status, code(answer))
    assert "max_completion_tokens" in answer.json()["error"]["message"]
    assert 200 == meterr.post(CHAT, {**body, "max_tokens": 5}, key=key).status
    file = [{"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERi0="}}]}]
    read = meterr.post(CHAT, {**body, "max_tokens": 5, "messages": file}, key=key)
    assert (400, "call-unbounded") == (read.status, code(read))
    assert "'messages'" in read.json()["error"]["message"]
    for fields in ({"models": ["dearest"]}, {"nobody_knows": 1}):
        odd = meterr.post(CHAT, {**body, "max_tokens": 5, **fields}, key=key)
        assert (400, "call-unbounded", *fields) == (
            odd.status,
            code(odd),
            odd.json()["error"]["param"],
        )


def test_a_call_that_may_use_what_has_no_price_is_refused_under_a_budget(
    meterr: Conversation,
) -> None:
    """P3: a budget that cannot know what a call costs does not let it pass."""
    flagging = meterr.tenant_key("flagging", UnknownPrice.FLAG)
    assert 200 == meterr.post(CHAT, {**BODIES[CHAT], "model": "unpriced-1"}, key=flagging).status
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.USD, "5", key=key_id)
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    answer = ask(meterr, key, messages=[{"role": "user", "content": [sound]}])
    assert (402, "price-unknown") == (answer.status, code(answer))
    assert "budget" in answer.json()["error"]["message"]


def test_a_call_that_can_never_fit_is_not_sent_back_to_wait(meterr: Conversation) -> None:
    """A whole minute is too short for it: the SDK must not try again, and the sentence says why."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.TOKENS, "100", key=key_id)
    answer = ask(meterr, key, max_tokens=101)
    assert (429, "false") == (answer.status, answer.headers["x-should-retry"])
    assert "max_tokens" in answer.json()["error"]["message"]
    assert "call-too-large" == meterr.entry(answer)["error"]


@pytest.mark.parametrize(
    ("path", "model", "field"),
    [
        (CHAT, "gpt-4o-mini", "max_completion_tokens"),
        (CHAT, "kimi-k2.6", "max_tokens"),
        (RESPONSES, "gpt-4o-mini", "max_output_tokens"),
        (MESSAGES, "claude-haiku-4-5", "max_tokens"),
    ],
)
def test_a_keys_default_bounds_the_answer_at_the_provider(
    meterr: Conversation, path: str, model: str, field: str
) -> None:
    """Issue 3: the key's default, sent if the key says so, in the field that the provider reads."""
    sending = meterr.house.new_key(output_tokens_default=3, send_output_default=True)
    silent = meterr.house.new_key(output_tokens_default=3)
    fields = {**BODIES[path], "model": model}
    fields.pop("max_tokens", None)
    answer = meterr.post(path, fields, key=sending)
    assert 200 == answer.status
    assert 3 == meterr.entry(answer)["output"]
    own = meterr.post(path, {**fields, field: 5}, key=sending)
    assert 5 == meterr.entry(own)["output"]
    if path != MESSAGES:
        assert 3 < meterr.entry(meterr.post(path, fields, key=silent))["output"]


def test_ours_replace_the_providers_rates_where_a_rule_of_ours_holds(meterr: Conversation) -> None:
    """Issue 3: what the provider leaves us says nothing about what we leave the caller."""
    key = meterr.house.new_key()
    theirs = {"headers": {REMAINING: "9", "x-ratelimit-limit-tokens": "8"}}
    assert "9" == ask(meterr, key, simulate=theirs).headers[REMAINING]
    other, other_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.REQUESTS, "5", key=other_id)
    headers = ask(meterr, other, simulate=theirs).headers
    assert ("5", "4") == (headers["x-ratelimit-limit-requests"], headers[REMAINING])
    assert "x-ratelimit-limit-tokens" not in headers


def test_a_rule_for_a_key_in_use_holds_before_long(meterr: Conversation) -> None:
    """Issue 3: budget changes reach every process by the notices that key changes take."""
    key, key_id = meterr.house.new_key_with_id()
    assert 200 == ask(meterr, key).status
    set_rule(meterr.house, Measure.REQUESTS, "0", key=key_id)
    meterr.house.until(lambda: ask(meterr, key).status == 429, 5)


def test_counting_tokens_costs_no_tokens_and_no_money(meterr: Conversation) -> None:
    """A surface that is not billed draws from requests and concurrency alone."""
    key, key_id = meterr.house.new_key_with_id()
    for measure, amount in ((Measure.USD, "0"), (Measure.TOKENS, "0"), (Measure.REQUESTS, "1")):
        set_rule(meterr.house, measure, amount, key=key_id)
    path = "/v1/messages/count_tokens"
    assert [200, 429] == [meterr.post(path, BODIES[path], key=key).status for _ in range(2)]
