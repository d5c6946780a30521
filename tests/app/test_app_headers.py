"""Headers: what crosses to the provider, what comes back, and what never does either."""

import pytest

from support.conversation import ANTHROPIC_VERSION, BODIES, CHAT, MESSAGES, Conversation
from support.hostile_provider import KEPT_BACK, RETURNED, TALKATIVE, HostileProvider
from support.meterr_house import PROVIDER_SECRET
from support.simulator import Answer

FORWARDED = {
    "anthropic-beta": "context-1m-2025-08-07,files-api",
    "openai-organization": "org-1",
    "openai-beta": "assistants=v2",
    "x-stainless-lang": "python",
    "x-unheard-of": 'spaced  out; q="1"',
    "user-agent": "curl/8",
    "accept": "*/*",
}
NEVER_FORWARDED = {
    "cookie": "session=1",
    "proxy-authorization": "Basic eA==",
    "x-forwarded-for": "192.0.2.1",
    "forwarded": "for=192.0.2.1",
    "via": "1.1 proxy",
    "te": "trailers",
    "keep-alive": "timeout=5",
    "proxy-connection": "keep-alive",
    "connection": "keep-alive, X-Hop",
    "x-hop": "named by connection",
    "x-meterr-request-id": "forged",
    "expect": "100-continue",
}


def talk_to_it(talk: Conversation, provider: HostileProvider, **headers: str) -> Answer:
    body = {**BODIES[CHAT], "model": provider.model(TALKATIVE)}
    answer = talk.post(CHAT, body, headers)
    assert 200 == answer.status
    return answer


def test_what_a_caller_adds_reaches_the_provider(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """4.2, 4: unknown headers and beta headers are forwarded as they came."""
    talk_to_it(impatient, provider, **FORWARDED)
    assert FORWARDED == {name: provider.heads[-1].get(name) for name in FORWARDED}


def test_credentials_state_and_hop_by_hop_headers_never_reach_it(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """4.2, 1: the caller's key stays here, in whichever header; the provider gets its own."""
    answer = talk_to_it(
        impatient, provider, **NEVER_FORWARDED, **{"x-api-key": impatient.house.key}
    )
    head = provider.heads[-1]
    assert {"x-meterr-request-id"} == NEVER_FORWARDED.keys() & head.keys()
    assert "x-api-key" not in head
    assert answer.headers["x-meterr-request-id"] == head["x-meterr-request-id"]
    assert f"Bearer {PROVIDER_SECRET}" == head["authorization"]
    assert f"127.0.0.1:{provider.port}" == head["host"]
    assert impatient.house.key not in str(head)


def test_only_the_providers_harmless_headers_come_back(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """4.2, 9: request ids, retry-after and rate limits; no cookies, no infrastructure."""
    answer = talk_to_it(impatient, provider)
    assert RETURNED == {name: answer.headers.get(name) for name in RETURNED}
    assert set() == (KEPT_BACK.keys() - {"x-meterr-cost-usd"}) & answer.headers.keys()


def test_the_cost_in_the_header_is_ours_and_that_of_the_ledger(
    impatient: Conversation, provider: HostileProvider
) -> None:
    """4.2, 9: a provider cannot speak in our name."""
    answer = talk_to_it(impatient, provider)
    entry = impatient.entry(answer)
    assert impatient.recomputed(entry) == entry["cost_usd"] > 0
    assert f"{entry['cost_usd']:f}".rstrip("0") == answer.headers["x-meterr-cost-usd"]
    assert "req_1" == entry["provider_request_id"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_each_family_takes_the_key_in_either_header_and_forwards_neither(
    meterr: Conversation, path: str, header: str
) -> None:
    """4.2, 1: both on every route; the provider sees one credential, and it is not the caller's."""
    value = f"bearer {meterr.house.key}" if header == "authorization" else meterr.house.key
    headers = {"content-type": "application/json", header: value}
    headers |= {} if path == CHAT else ANTHROPIC_VERSION
    answer = meterr.wire.send("POST", path, BODIES[path], headers)
    assert 200 == answer.status
    expected = "authorization" if path == CHAT else "x-api-key"
    assert [expected] == list(meterr.call(answer)["credentials"])


def test_a_stream_names_its_request_before_its_first_event(meterr: Conversation) -> None:
    """4.2, 9: whoever reports a cut stream can say which."""
    answer = meterr.simulated(CHAT, {"cut_after": 0}, stream=True)
    assert 200 == answer.status
    assert "upstream_cut" == meterr.entry(answer)["outcome"]
