"""What is left of a rate, as each family's SDK and back-off read it."""

from decimal import Decimal

import pytest

from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.gateway import Family, dialect
from meterr.gateway.rate_headers import rate_headers
from meterr.ledger.limits import LimitState
from meterr.ledger.limits.errors import (
    BudgetReached,
    ConcurrencyReached,
    LimitsUnknown,
    RateReached,
)

AT_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
CALL_ID = "019ab000-0000-7000-8000-000000000000"


def state(
    measure: Measure, remaining: str, resets_in_s: float = 0, *, hard: bool = True
) -> LimitState:
    span = {Measure.USD: Span.DAY, Measure.CONCURRENCY: Span.CALL}.get(measure, Span.MINUTE)
    limit = Limit("l", measure, Holder.KEY, span, Decimal(100), hard=hard)
    return LimitState(limit, Decimal(remaining), resets_in_s)


def test_openai_clients_get_limit_remaining_and_a_duration() -> None:
    """Issue 3: x-ratelimit-{limit,remaining,reset}-{requests,tokens}."""
    states = [state(Measure.REQUESTS, "99", 0.6), state(Measure.TOKENS, "40", 59.2)]
    assert {
        b"x-ratelimit-limit-requests": b"100",
        b"x-ratelimit-remaining-requests": b"99",
        b"x-ratelimit-reset-requests": b"600ms",
        b"x-ratelimit-limit-tokens": b"100",
        b"x-ratelimit-remaining-tokens": b"40",
        b"x-ratelimit-reset-tokens": b"1m0s",
    } == dict(rate_headers(Family.OPENAI, states, AT_MS))


def test_anthropic_clients_get_limit_remaining_and_a_moment() -> None:
    """Issue 3: anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}, RFC 3339."""
    assert {
        b"anthropic-ratelimit-tokens-limit": b"100",
        b"anthropic-ratelimit-tokens-remaining": b"40",
        b"anthropic-ratelimit-tokens-reset": b"2026-11-22T12:01:00Z",
    } == dict(rate_headers(Family.ANTHROPIC, [state(Measure.TOKENS, "40", 59.2)], AT_MS))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, b"0ms"), (0.0001, b"1ms"), (1, b"1s"), (6.01, b"7s"), (360, b"6m0s"), (3601, b"1h0m1s")],
)
def test_a_reset_is_told_as_openai_writes_it(seconds: float, expected: bytes) -> None:
    """Issue 3: a duration such as 6m0s, never shorter than the wait is."""
    headers = dict(rate_headers(Family.OPENAI, [state(Measure.REQUESTS, "1", seconds)], AT_MS))
    assert expected == headers[b"x-ratelimit-reset-requests"]


def test_the_tightest_hard_limit_is_told_and_no_other() -> None:
    """A soft limit refuses nothing, money and concurrency have no such header."""
    states = [
        state(Measure.REQUESTS, "50"),
        state(Measure.REQUESTS, "7.9"),
        state(Measure.REQUESTS, "1", hard=False),
        state(Measure.USD, "1"),
        state(Measure.CONCURRENCY, "1"),
    ]
    headers = dict(rate_headers(Family.OPENAI, states, AT_MS))
    assert 3 == len(headers)
    assert b"7" == headers[b"x-ratelimit-remaining-requests"]


def test_nothing_below_zero_is_left() -> None:
    """What was used beyond a limit is not told as a negative rest."""
    headers = dict(rate_headers(Family.OPENAI, [state(Measure.TOKENS, "-3")], AT_MS))
    assert b"0" == headers[b"x-ratelimit-remaining-tokens"]


def test_every_refusal_for_now_says_when_to_come_back() -> None:
    """Issue 3: Retry-After on every 429 and 503, and in milliseconds for OpenAI's SDK."""
    rate = RateReached("r", state(Measure.TOKENS, "3", 30), reason="tokens", retry_after_s=9)
    busy = ConcurrencyReached("c", state(Measure.CONCURRENCY, "0"), reason="", retry_after_s=1)
    told = dict(dialect.headers(Family.OPENAI, rate, CALL_ID))
    assert (b"9", b"9000") == (told[b"retry-after"], told[b"retry-after-ms"])
    assert b"30s" == told[b"x-ratelimit-reset-tokens"]
    assert b"x-should-retry" not in told
    for error in (busy, LimitsUnknown("?")):
        assert b"1" == dict(dialect.headers(Family.ANTHROPIC, error, CALL_ID))[b"retry-after"]


def test_a_budget_is_not_to_be_retried() -> None:
    """Issue 3: 402 as both SDKs understand it: no back-off, quota and billing as the kind."""
    error = BudgetReached("b", state(Measure.USD, "0"), reason="budget")
    for family in Family:
        told = dict(dialect.headers(family, error, CALL_ID))
        assert b"false" == told[b"x-should-retry"]
        assert b"retry-after" not in told
    assert b'"code":"insufficient_quota"' in dialect.body(Family.OPENAI, error, CALL_ID)
    assert b'"type":"insufficient_quota"' in dialect.body(Family.OPENAI, error, CALL_ID)
    assert b'"type":"billing_error"' in dialect.body(Family.ANTHROPIC, error, CALL_ID)
