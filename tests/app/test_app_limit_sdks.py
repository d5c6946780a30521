"""Limits as the official SDKs see them: their error classes, and what their back-off does."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import anthropic
import openai
import pytest

from meterr.core.limits import Measure
from support.conversation import ANTHROPIC_MODEL, BODIES, CHAT, OPENAI_MODEL, Conversation
from support.limits import set_rule

USER: Any = [{"role": "user", "content": "How long is the coast of Britain?"}]
_REFUSED = "select count(*) as count from meterr.ledger_entry where key_id = %s and state = %s"

Ask = Callable[[], object]
Make = Callable[[Conversation, str, int], AbstractContextManager[Ask]]


@contextmanager
def openai_sdk(talk: Conversation, key: str, retries: int) -> Iterator[Ask]:
    url = f"{talk.house.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key=key, max_retries=retries) as sdk:
        yield lambda: sdk.chat.completions.create(model=OPENAI_MODEL, messages=USER, max_tokens=40)


@contextmanager
def anthropic_sdk(talk: Conversation, key: str, retries: int) -> Iterator[Ask]:
    url = talk.house.base_url
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=retries) as sdk:
        yield lambda: sdk.messages.create(model=ANTHROPIC_MODEL, messages=USER, max_tokens=40)


SDKS = pytest.mark.parametrize("make", [openai_sdk, anthropic_sdk])


def refused_by(ask: Ask) -> tuple[int, Mapping[str, str], dict[str, Any]]:
    """Return status, headers and the error of a call that the SDK gave up on."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        ask()
    error = caught.value
    body: Any = error.response.json()
    return error.status_code, error.response.headers, body["error"]


@SDKS
def test_a_rate_is_a_rate_limit_error_with_its_time(meterr: Conversation, make: Make) -> None:
    """Issue 3: 429 for a rate, and the headers that back-off reads."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.REQUESTS, "1", key=key_id)
    with make(meterr, key, 0) as ask:
        ask()
        with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)):
            ask()
        _, headers, error = refused_by(ask)
    assert 1 <= int(headers["retry-after"]) <= 60
    assert "rate_limit_error" == error["type"]
    if make is openai_sdk:
        assert 1000 * int(headers["retry-after"]) == int(headers["retry-after-ms"])
        assert "0" == headers["x-ratelimit-remaining-requests"]
    else:
        assert "0" == headers["anthropic-ratelimit-requests-remaining"]
        assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


@SDKS
def test_the_sdk_waits_and_gets_its_turn(meterr: Conversation, make: Make) -> None:
    """Issue 3: refused for concurrency, it comes back after Retry-After by itself."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.CONCURRENCY, "1", key=key_id)
    before = meterr.call_count()
    with ThreadPoolExecutor(1) as pool, make(meterr, key, 5) as ask:
        slow = pool.submit(
            meterr.post, CHAT, {**BODIES[CHAT], "simulate": {"delay_ms": 1500}}, key=key
        )
        meterr.house.until(lambda: meterr.call_count() > before)
        ask()
        assert 200 == slow.result().status
    meterr.house.until(lambda: refusals(meterr, key_id) >= 1)


@SDKS
def test_a_budget_is_a_status_error_that_is_not_repeated(meterr: Conversation, make: Make) -> None:
    """Issue 3: 402 for a budget: no SDK comes back for money that is not there."""
    key, key_id = meterr.house.new_key_with_id()
    set_rule(meterr.house, Measure.USD, "0.00000001", key=key_id)
    with make(meterr, key, 5) as ask:
        status, headers, error = refused_by(ask)
    assert 402 == status
    assert "retry-after" not in headers
    kind = "insufficient_quota" if make is openai_sdk else "billing_error"
    assert kind == error["type"]
    meterr.house.until(lambda: refusals(meterr, key_id) >= 1)
    assert 1 == refusals(meterr, key_id)


def refusals(talk: Conversation, key_id: str) -> int:
    """Return how many refused calls of a key the ledger has."""
    row = talk.ledger.execute(_REFUSED, (key_id, "refused")).fetchone()
    assert row is not None
    return int(row["count"])
