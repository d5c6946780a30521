"""Service tiers: a dearer price list is never billed, or let pass, as the usual one."""

from typing import Any

import pytest

from meterr.core.principal import UnknownPrice
from support.conversation import BODIES, CHAT, Conversation

USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 0}


def asked_for(meterr: Conversation, tier: str, **simulate: Any) -> Any:
    return meterr.simulated(CHAT, {"usage": USAGE, **simulate}, service_tier=tier)


def test_a_tier_without_a_price_is_refused_before_the_call_leaves(meterr: Conversation) -> None:
    """Issue 2, item 8: unknown price is refused by default, naming the field that asked."""
    before = meterr.call_count()
    answer = asked_for(meterr, "scale")

    assert (402, "service_tier", before) == (
        answer.status,
        answer.json()["error"]["param"],
        meterr.call_count(),
    )


@pytest.mark.parametrize("tier", ["auto", "default"])
def test_words_for_no_tier_in_particular_are_the_usual_price(
    meterr: Conversation, tier: str
) -> None:
    """P1: asking for nothing dearer costs nothing dearer."""
    assert 200 == asked_for(meterr, tier).status


def test_a_priority_call_cut_before_its_tier_was_told_has_the_price_that_was_asked_for(
    meterr: Conversation,
) -> None:
    """P1: what cannot be known is taken from what was asked, not from the cheapest list."""
    cut = {"cut_after": 0}
    usual = meterr.entry(meterr.simulated(CHAT, cut, stream=True, service_tier="default"))
    dearer = meterr.entry(meterr.simulated(CHAT, cut, stream=True, service_tier="priority"))

    assert usual["price_id"] != dearer["price_id"]
    assert usual["cost_usd"] < dearer["cost_usd"]
    assert ("upstream_cut", "upstream_cut") == (usual["outcome"], dearer["outcome"])


def test_a_tenant_that_flags_gets_an_entry_without_a_cost(meterr: Conversation) -> None:
    """Issue 2, item 8: ``flag`` lets the call pass, and never as 0."""
    key = meterr.tenant_key("flags tiers", UnknownPrice.FLAG)
    body = {**BODIES[CHAT], "service_tier": "scale", "simulate": {"usage": USAGE, "tier": "scale"}}
    answer = meterr.post(CHAT, body, key=key)

    assert (200, None) == (answer.status, meterr.entry(answer)["cost_usd"])
