"""The web surface of a running gateway: what its answers carry, whichever way they come about."""

import json
from collections.abc import Iterator, Mapping

import pytest

from meterr.core.http.answer_head import OWN_NAMES, Audience, protections
from meterr.core.postgres import EmbeddedPostgres
from meterr.gateway import SURFACES
from support.conversation import (
    BODIES,
    CHAT,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    STREAMING,
    Conversation,
    shared_house,
)
from support.observatory import grade
from support.small_door import Told, told

PUBLIC, APP = "https://llm.example.com", "https://app.example.com"
SETTINGS = f"""
[server]
public_origin = "{PUBLIC}"
cors_origins = ["{APP}"]
trusted_proxies = ["127.0.0.1/32"]
body_bytes_max = 4096
"""
SLANDER = {
    "content-security-policy": "default-src *",
    "cache-control": "public, max-age=31536000",
    "strict-transport-security": "max-age=0",
    "x-frame-options": "ALLOWALL",
    "access-control-allow-origin": "*",
    "access-control-allow-credentials": "true",
    "server": "nginx/1.2.3",
    "x-powered-by": "Express",
    "vary": "X-Secret",
    "openai-version": "2020-10-01",
}


@pytest.fixture(scope="module")
def public(postgres: EmbeddedPostgres) -> Iterator[Conversation]:
    """A house with a public name, one allowed origin and a proxy in front."""
    with shared_house(postgres, SETTINGS) as talk:
        yield talk
        talk.assert_booked_once()
        assert [] == talk.faults()


def ask(
    talk: Conversation, method: str, path: str, fields: Mapping[str, str], body: bytes = b""
) -> Told:
    """Make one request on a connection of its own; return every line of the answer's head."""
    sent = {"host": "llm.example.com", **fields, "connection": "close"}
    if body:
        sent["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with talk.raw(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body) as connection:
        received = b""
        while more := connection.recv(65536):
            received += more
    return told(received)


def assert_protected(answer: Told) -> None:
    """Hold that every protection is there once, and that browsers are told it varies."""
    for name, value in protections(Audience.SDKS, hsts=True).items():
        assert [value] == answer.all(name), (name, answer.status)
    assert ["Origin"] == answer.all("vary")
    for name in ("server", "x-powered-by", "access-control-allow-credentials"):
        assert [] == answer.all(name)


@pytest.mark.parametrize("path", [surface.path for surface in SURFACES])
def test_what_a_provider_says_about_these_headers_never_crosses(
    public: Conversation, path: str
) -> None:
    """S1:254-287: on every surface, from the simulator as a provider that says the opposite."""
    assert set(SLANDER) - {"vary", "openai-version", "access-control-allow-credentials"} < {
        name.decode() for name in OWN_NAMES
    }
    body = json.dumps({**BODIES[path], "simulate": {"headers": SLANDER}}).encode()
    answer = ask(public, "POST", path, public.own(path), body)
    assert 200 == answer.status
    assert "2020-10-01" == answer.one("openai-version")
    assert_protected(answer)


@pytest.mark.parametrize("path", STREAMING)
def test_streams_carry_them_from_their_first_byte(public: Conversation, path: str) -> None:
    """S1:254-287: a stream's head is as any other's."""
    simulate = {"headers": SLANDER}
    body = json.dumps({**BODIES[path], "stream": True, "simulate": simulate}).encode()
    answer = ask(public, "POST", path, {**public.own(path), "origin": APP}, body)
    assert (200, "text/event-stream") == (
        answer.status,
        answer.one("content-type").partition(";")[0],
    )
    assert_protected(answer)
    assert APP == answer.one("access-control-allow-origin")


def test_every_refusal_and_every_probe_carries_them(public: Conversation) -> None:
    """S1:254-287: 200, 400, 401, 404, 405, 413, 415, 421, 502 and what needs no key."""
    own = public.own(CHAT)
    broken = json.dumps({**BODIES[CHAT], "simulate": {"status": 500}}).encode()
    cases = [
        (200, "GET", "/healthz", {}, b""),
        (200, "GET", "/readyz", {}, b""),
        (200, "GET", "/", {}, b""),
        (200, "GET", "/v1/models", own, b""),
        (400, "POST", CHAT, own, b"{}"),
        (401, "POST", CHAT, {"content-type": "application/json"}, b"{}"),
        (404, "GET", "/admin", {}, b""),
        (404, "GET", "/v1/nothing", {}, b""),
        (405, "GET", CHAT, {}, b""),
        (413, "POST", CHAT, own, b"x" * 4097),
        (414, "GET", "/v1/models?" + "a" * 9000, own, b""),
        (415, "POST", CHAT, {**own, "content-type": "text/plain"}, b"{}"),
        (421, "GET", "/healthz", {"host": "evil.example"}, b""),
        (500, "POST", CHAT, own, broken),
    ]
    for status, method, path, fields, body in cases:
        answer = ask(public, method, path, fields, body)
        assert status == answer.status, (path, answer.body)
        assert_protected(answer)
    for sent in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n"):
        with public.raw(sent) as connection:
            received = b""
            while more := connection.recv(65536):
                received += more
        assert told(received).status in {400, 431}
        assert_protected(told(received))


def test_a_running_gateway_is_graded_a_plus(public: Conversation) -> None:
    """The bar of 130, on a model's answer and on the health path."""
    body = json.dumps(BODIES[CHAT]).encode()
    for answer in (
        ask(public, "GET", "/healthz", {"origin": APP}),
        ask(public, "POST", CHAT, {**public.own(CHAT), "origin": APP}, body),
    ):
        found = grade(answer.fields, with_origin=answer.fields)
        assert ("A+", True) == (found.letter, found.score >= 130)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CHAT, "authorization"),
        (RESPONSES, "openai-organization"),
        (EMBEDDINGS, "x-stainless-lang"),
        (MESSAGES, "anthropic-version"),
        (MESSAGES, "anthropic-dangerous-direct-browser-access"),
        ("/v1/models", "x-api-key"),
        ("/v1/models/gpt-4o-mini", "anthropic-version"),
    ],
)
def test_browsers_may_send_what_the_sdks_of_the_path_send(
    public: Conversation, path: str, field: str
) -> None:
    """S1:280: x-api-key and anthropic-version were missing; derived from the route table here."""
    method = "GET" if path.startswith("/v1/models") else "POST"
    asked = {"origin": APP, "access-control-request-method": method}
    answer = ask(public, "OPTIONS", path, asked)
    assert (204, method) == (answer.status, answer.one("access-control-allow-methods"))
    assert field in answer.one("access-control-allow-headers").split(", ")
    assert "*" not in answer.one("access-control-allow-headers")
    assert APP == answer.one("access-control-allow-origin")


def test_a_cookie_opens_nothing_and_changes_nothing(public: Conversation) -> None:
    """S1:25: bearer routes take no cookie; with one the answer is the one without."""
    body = json.dumps(BODIES[CHAT]).encode()
    own = {**public.own(CHAT), "cookie": "__Host-meterr=x; authorization=x"}
    assert 200 == ask(public, "POST", CHAT, own, body).status
    del own["authorization"]
    assert 401 == ask(public, "POST", CHAT, own, body).status


def test_a_rebound_page_gets_nothing_from_a_real_gateway(public: Conversation) -> None:
    """DNS rebinding: also the paths without a key answer 421, and the text names the setting."""
    for path in ("/healthz", "/readyz", "/", "/v1/models"):
        answer = ask(public, "GET", path, {"host": "evil.example", "origin": "http://evil.example"})
        assert 421 == answer.status
        assert b"server.allowed_hosts" in answer.body


def test_the_log_says_what_was_refused_and_repeats_nothing(public: Conversation) -> None:
    """Bad input gets an event where it smells; the caller's bytes are not in it."""
    ask(public, "GET", "/healthz", {"host": "smells-7d1f.example"})
    public.house.meterr.wait_for('"error_code":"host-not-allowed"')
    assert not [line for line in public.house.meterr.lines if "smells-7d1f" in line]
