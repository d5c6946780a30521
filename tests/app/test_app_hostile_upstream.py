"""Providers that speak no HTTP, hang up, or are not there."""

import pytest

from support.conversation import BODIES, CHAT, Conversation
from support.hostile_provider import ABSENT, SCRIPTS, TALKATIVE, HostileProvider
from support.refusals import assert_refused
from support.simulator import Answer

ANSWERS = {TALKATIVE, "mid-event", "packed-mid-stream", "redirect", "no-content"}
BROKEN = [script for script in SCRIPTS if script not in ANSWERS]


def call(talk: Conversation, provider: HostileProvider, script: str, **more: object) -> Answer:
    return talk.post(CHAT, {**BODIES[CHAT], "model": provider.model(script), **more})


@pytest.mark.parametrize("script", BROKEN)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_that_is_no_http_is_a_502_and_may_be_billed(
    impatient: Conversation, provider: HostileProvider, script: str, *, stream: bool
) -> None:
    """Bad input: garbage, smuggling shapes, closing at once, in a chunk and before the length."""
    answer = call(impatient, provider, script, stream=stream)
    assert_refused(CHAT, answer, 502, "The provider's answer")
    entry = impatient.entry(answer)
    assert ("upstream-broken", "request-bytes/4+answer-chars/4") == (
        entry["error"],
        entry["estimate"],
    )
    assert impatient.recomputed(entry) == entry["cost_usd"] > 0


def test_a_stream_that_is_cut_in_an_event_ends_with_an_error_event(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """4.2, 8: half an event is not passed on as if it were one."""
    answer = call(impatient, provider, "mid-event", stream=True)
    assert 200 == answer.status
    *_, last = answer.body.strip().split(b"\n\n")
    assert last.startswith(b"data: {")
    assert b'"upstream-broken"' in last
    entry = impatient.entry(answer)
    assert ("upstream_cut", 4) == (entry["outcome"], entry["output"])


def test_a_packed_stream_that_ends_before_its_end_has_no_final_usage(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """P1: what it reported on the way is a lower bound, packed or not."""
    entry = impatient.entry(call(impatient, provider, "packed-mid-stream", stream=True))
    assert ("complete", 1000, 4) == (entry["outcome"], entry["input"], entry["output"])
    assert "reported-input+answer-chars/4" == entry["estimate"]


def test_a_provider_that_is_not_there_is_a_502_and_costs_nothing(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """Bad input: refused connection; the call never left, so it is free."""
    answer = call(impatient, provider, ABSENT)
    assert_refused(CHAT, answer, 502, "cannot be reached")
    entry = impatient.entry(answer)
    assert ("upstream-unreachable", 0, "", "settled") == (
        entry["error"],
        entry["cost_usd"],
        entry["estimate"],
        entry["state"],
    )
    assert b"%d" % provider.closed_port not in answer.body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_redirect_is_a_502_and_costs_nothing(
    impatient: Conversation, provider: HostileProvider, *, stream: bool
) -> None:
    """Bad input: a base URL that moved; never followed, and its address is not passed on."""
    answer = call(impatient, provider, "redirect", stream=stream)
    assert_refused(CHAT, answer, 502, "base URL")
    entry = impatient.entry(answer)
    assert ("upstream_error", "upstream-broken", 0) == (
        entry["outcome"],
        entry["error"],
        entry["cost_usd"],
    )


def test_an_answer_without_a_body_passes_and_is_estimated(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """Bad input: a success that says nothing is a success without a usage."""
    answer = call(impatient, provider, "no-content")
    assert (204, b"") == (answer.status, answer.body)
    assert impatient.entry(answer)["estimate"]
