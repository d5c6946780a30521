"""Paths, methods and targets: whatever a request line says, only the path and the method route."""

import json
import re
from typing import Any

import pytest

from support.conversation import BODIES, CHAT, MESSAGES, RESPONSES, Conversation, keyless
from support.raw_http import first, request
from support.refusals import assert_refused, assert_tells_no_internals
from support.simulator import read_to_end

CHAT_BODY = json.dumps(BODIES[CHAT]).encode()


@pytest.mark.parametrize("path", ["/v1", "/v1/messages/x", "/v1/audio/speech", "/v1/models/"])
def test_an_unknown_path_is_404_in_the_familys_shape(meterr: Conversation, path: str) -> None:
    """4.2, 5: quick, and without a key: it tells nothing."""
    answer = meterr.wire.send("POST", path, {}, keyless(path))
    assert_refused(path, answer, 404, "path")


@pytest.mark.parametrize("path", ["/v2/chat", "/admin", "/.env", "/readyz/", "/x"])
def test_an_unknown_path_elsewhere_is_404_as_a_problem(meterr: Conversation, path: str) -> None:
    """RFC 9457: what no SDK asks for is answered as our own API answers."""
    answer = meterr.wire.send("POST", path, {}, {"anthropic-version": "2023-06-01"})
    assert (404, "application/problem+json") == (answer.status, answer.headers["content-type"])
    told = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code"} == told.keys()
    assert ("urn:meterr:error:not-found", 404) == (told["type"], told["status"])
    assert f"urn:uuid:{answer.headers['x-meterr-request-id']}" == told["instance"]
    assert_tells_no_internals(answer.body)


METHODS = [
    ("GET", CHAT),
    ("DELETE", MESSAGES),
    ("PUT", RESPONSES),
    ("PATCH", CHAT),
    ("TRACE", CHAT),
]
METHODS += [("OPTIONS", MESSAGES), ("QUERY", CHAT), ("PROPFIND", MESSAGES)]


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_a_wrong_method_is_405_and_named(meterr: Conversation, method: str, path: str) -> None:
    """Bad input: what is allowed is in the text and in the header."""
    answer = meterr.wire.send(method, path, None, meterr.own(path))
    if answer.status == 400:  # a method that the parser does not know is not HTTP to it
        assert "QUERY" == method
        return
    assert_refused(path, answer, 405, "POST")
    assert "POST" == answer.headers["allow"]


def test_models_are_read_only(meterr: Conversation) -> None:
    """Bad input: the same on the path that takes GET."""
    answer = meterr.wire.send("POST", "/v1/models", {}, meterr.own(CHAT))
    assert (405, "GET") == (answer.status, answer.headers["allow"])


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_root_answers_connection_checks(meterr: Conversation, method: str) -> None:
    """4.2, 5: HEAD / and GET / need no key and tell no version."""
    answer = meterr.wire.send(method, "/")
    assert (200, b"" if method == "HEAD" else b'{"service":"meterr"}') == (
        answer.status,
        answer.body,
    )
    assert "server" not in answer.headers


def test_a_websocket_is_refused_cleanly(meterr: Conversation) -> None:
    """4.2, 10: agents that try responses over WebSocket get an answer and fall back."""
    fields = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "authorization": f"Bearer {meterr.house.key}",
    }
    answer = first(meterr.raw(request("GET", RESPONSES, fields)))
    assert_refused(RESPONSES, answer, 405, "POST")


TARGETS = {
    "double slash": ("//v1/chat/completions", {}),
    "dots": ("/x/../v1/chat/completions", {}),
    "trailing slash": ("/v1/chat/completions/", {}),
    "upper case": ("/V1/chat/completions", {}),
    "encoded letter": ("/v1/%63hat/completions", {}),
    "encoded slash": ("/v1%2Fchat/completions", {}),
    "encoded nul": ("/v1/chat/completions%00", {}),
    "semicolon": ("/v1/chat/completions;x=/v1/messages", {}),
    "absolute": ("http://evil.example/v1/chat/completions", {}),
    "other scheme": ("ftp://evil.example/v1/chat/completions", {}),
    "forged host": ("/v1/chat/completions", {"host": "evil.example"}),
    "forwarded": ("/v1/chat/completions", {"x-forwarded-host": "evil.example"}),
    "rewritten": ("/v1/chat/completions", {"x-original-url": "/", "x-rewrite-url": "/"}),
    "overridden": ("/v1/chat/completions", {"x-http-method-override": "GET"}),
}


@pytest.mark.parametrize(("target", "more"), TARGETS.values(), ids=TARGETS.keys())
def test_no_spelling_of_a_target_goes_round_the_key(
    meterr: Conversation, target: str, more: dict[str, str]
) -> None:
    """Routing: without a key it is 401 or nothing is there; never another handler, never 500."""
    size = {"content-length": str(len(CHAT_BODY))}
    without = {"host": "m", **keyless(CHAT), **size, **more}
    answer = first(meterr.raw(request("POST", target, without) + CHAT_BODY))
    assert answer.status in {400, 401, 404, 421}
    assert_tells_no_internals(answer.body)


@pytest.mark.parametrize("name", ["forwarded", "rewritten", "overridden"])
def test_the_provider_never_depends_on_what_the_request_says_about_hosts(
    meterr: Conversation, name: str
) -> None:
    """Routing: with a key the call goes where the configuration says, on the usual path."""
    target, more = TARGETS[name]
    fields: dict[str, Any] = {"host": "m", **meterr.own(CHAT), **more}
    fields["content-length"] = str(len(CHAT_BODY))
    answer = first(meterr.raw(request("POST", target, fields) + CHAT_BODY))
    assert 200 == answer.status
    assert CHAT == meterr.call(answer)["path"]


def test_pipelined_requests_are_answered_in_order(meterr: Conversation) -> None:
    """A refused request in front does not swallow the next, nor its answer."""
    bad = request("POST", CHAT, {"host": "m", "content-length": "0", **meterr.own(CHAT)})
    last = request("GET", "/healthz", {"host": "m", "connection": "close"})
    received = read_to_end(meterr.raw(bad + last))
    assert [b"400", b"200"] == re.findall(rb"HTTP/1\.1 (\d+) ", received)
