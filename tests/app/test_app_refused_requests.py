"""Requests of a known key that cannot be served: what is wrong is named, and its owner sees it."""

import gzip
import json
from typing import Any

import pytest

from meterr.core.principal import UnknownPrice
from support.conversation import (
    ANTHROPIC_MODEL,
    BODIES,
    CHAT,
    MESSAGES,
    OPENAI_MODEL,
    USER,
    Conversation,
    keyless,
)
from support.refusals import assert_refused
from support.simulator import Answer
from support.spent import booked

FAMILIES = [CHAT, MESSAGES]
DEEP = b"[" * 10_000 + b"]" * 10_000
MODEL = {CHAT: OPENAI_MODEL, MESSAGES: ANTHROPIC_MODEL}


def assert_booked_as_refused(talk: Conversation, answer: Answer, code: str) -> None:
    """Hold that a known key's refusal has an entry, and that nothing left."""
    entry = talk.entry(answer)
    assert ("refused", "refused", answer.status, code, None, {}) == (
        entry["state"],
        entry["outcome"],
        entry["status"],
        entry["error"],
        entry["cost_usd"],
        booked(entry),
    )
    assert [] == talk.calls_of(answer.headers["x-meterr-request-id"])


NO_JSON = {
    "empty": b"",
    "blank": b" \n",
    "text": b"model=gpt-4o-mini",
    "cut": b'{"model": "gpt-4o-mini", "messages": [',
    "two": b'{"model": "gpt-4o-mini"} {}',
    "comment": b'{"model": "gpt-4o-mini" /* */}',
    "not utf-8": b'{"model": "gpt-4o-mini", "user": "\xff\xfe"}',
    "mark": b'\xef\xbb\xbf{"model": "gpt-4o-mini"}',
    "list": b'["gpt-4o-mini"]',
    "null": b"null",
    "number": b"1",
    "deep": DEEP,
    "deep inside": b'{"model": "gpt-4o-mini", "messages": ' + DEEP + b"}",
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
}


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_a_body_that_is_no_json_object_is_refused(
    meterr: Conversation, path: str, body: bytes
) -> None:
    """S1:362: 400 in words, also 10,000 levels deep."""
    answer = meterr.post(path, body)
    assert_refused(path, answer, 400, "The request body")
    assert_booked_as_refused(meterr, answer, "invalid-request")


WRONG_MODEL: dict[str, Any] = {
    "missing": None,
    "empty": "",
    "number": 4,
    "list": ["gpt-4o-mini"],
    "long": "g" * 5000,
    "control": "gpt-4o-mini\r\nx: y",
}


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("model", WRONG_MODEL.values(), ids=WRONG_MODEL.keys())
def test_a_model_that_is_no_name_is_refused(meterr: Conversation, path: str, model: Any) -> None:
    """Bad input: the text names the field."""
    body = {"messages": USER, "max_tokens": 5} | ({} if model is None else {"model": model})
    answer = meterr.post(path, body)
    assert_refused(path, answer, 400, "model")
    assert_booked_as_refused(meterr, answer, "invalid-request")
    if path == CHAT:
        assert "model" == answer.json()["error"]["param"]


TWICE = {
    "plain": '"model": "%s", "model": "gpt-4o"',
    "escaped": '"model": "%s", "\\u006dodel": "gpt-4o"',
    "escaped first": '"mod\\u0065l": "gpt-4o", "model": "%s"',
    "upper case": '"model": "%s", "Model": "gpt-4o"',
    "long s": '"model": "%s", "\\u017ftream": true',
    "stream": '"model": "%s", "stream": true, "stream": false',
    "only escaped": '"\\u006dodel": "%s"',
}


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("fields", TWICE.values(), ids=TWICE.keys())
def test_a_field_that_two_parsers_could_read_differently_is_refused(
    meterr: Conversation, path: str, fields: str
) -> None:
    """S1:362: duplicate keys, plain and disguised, cannot make us price another model."""
    body = "{" + fields % MODEL[path] + ', "max_tokens": 5, "messages": ' + json.dumps(USER) + "}"
    answer = meterr.post(path, body.encode())
    assert_refused(path, answer, 400)
    assert_booked_as_refused(meterr, answer, "invalid-request")


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("case", ["unknown", "of the other family", "not allowed"])
def test_a_model_that_is_not_to_be_had_is_refused(
    meterr: Conversation, path: str, case: str
) -> None:
    """S1:52: unknown and not allowed are not told apart by status, and the way out is named."""
    other = {CHAT: ANTHROPIC_MODEL, MESSAGES: OPENAI_MODEL}
    model = {"unknown": "nosuch-1", "of the other family": other[path]}.get(case, MODEL[path])
    key = meterr.house.new_key(models=["kimi-*"]) if case == "not allowed" else None
    answer = meterr.post(path, {**BODIES[path], "model": model}, key=key)
    assert_refused(path, answer, 404, f"'{model}'", "GET /v1/models")
    assert_booked_as_refused(meterr, answer, "model-not-found")
    assert model == meterr.entry(answer)["model"]


def test_an_unknown_price_is_refused(meterr: Conversation) -> None:
    """P1: 402 by default; nothing leaves whose cost could not be told."""
    answer = meterr.post(CHAT, {**BODIES[CHAT], "model": "unpriced-1"})
    assert_refused(CHAT, answer, 402, "'unpriced-1'", "meterr price set")
    assert_booked_as_refused(meterr, answer, "price-unknown")


def test_an_unknown_price_is_flagged_for_a_tenant_that_wants_so(meterr: Conversation) -> None:
    """S1:52, P1: the call is served, its tokens are booked, and its cost is unknown: never 0."""
    key = meterr.tenant_key("flags", UnknownPrice.FLAG)
    answer = meterr.post(CHAT, {**BODIES[CHAT], "model": "unpriced-1"}, key=key)
    entry = meterr.entry(answer)
    assert (200, "settled", None, None) == (
        answer.status,
        entry["state"],
        entry["cost_usd"],
        entry["price_id"],
    )
    assert booked(entry)
    assert "x-meterr-cost-usd" not in answer.headers


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_another_content_type_is_refused(meterr: Conversation, path: str, kind: str) -> None:
    """Bad input: 415 names the header to send; a form posted by a browser never gets through."""
    answer = meterr.post(path, BODIES[path], {"content-type": kind})
    assert_refused(path, answer, 415, "'content-type: application/json'")
    assert_booked_as_refused(meterr, answer, "unsupported-media-type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_spelled_with_a_charset_and_in_any_case(
    meterr: Conversation, kind: str
) -> None:
    """What SDKs of all languages send."""
    assert 200 == meterr.post(CHAT, BODIES[CHAT], {"content-type": kind}).status


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip"])
def test_a_compressed_body_is_refused(meterr: Conversation, path: str, coding: str) -> None:
    """Bad input: no bomb is ever unpacked; no client of today compresses."""
    body = gzip.compress(json.dumps(BODIES[path]).encode())
    answer = meterr.post(path, body, {"content-encoding": coding})
    assert_refused(path, answer, 415, "content encoding")
    assert_booked_as_refused(meterr, answer, "unsupported-media-type")


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("keyed", [True, False], ids=["key", "no key"])
def test_a_body_of_40_mib_is_refused_and_the_answer_arrives(
    meterr: Conversation, path: str, framing: str, *, keyed: bool
) -> None:
    """Bad input: the client is still sending when it is told; it must get to read it."""
    whole = b"x" * (40 * 1024 * 1024)
    body = whole if framing == "length" else iter([whole[: 1 << 20]] * 40)
    headers = meterr.own(path) if keyed else keyless(path)
    answer = meterr.wire.send("POST", path, body, headers)
    assert_refused(path, answer, 413 if keyed else 401)
    if keyed:
        assert "33554432 bytes" in answer.json()["error"]["message"]
        assert_booked_as_refused(meterr, answer, "request-too-large")
    else:
        assert meterr.no_entry(answer)


def test_a_body_within_the_limit_is_not_refused(meterr: Conversation) -> None:
    """The limit is where it says it is."""
    body = json.dumps({**BODIES[CHAT], "pad": ""}).encode()
    pad = b"A" * (32 * 1024 * 1024 - len(body))
    assert 200 == meterr.post(CHAT, body.replace(b'"pad": "', b'"pad": "' + pad)).status
