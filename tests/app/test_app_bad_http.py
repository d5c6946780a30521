"""Requests that are hardly HTTP, too slow or too large in the head: answered and ended."""

import json
import socket
from contextlib import suppress

import pytest

from support.conversation import BODIES, CHAT, MESSAGES, Conversation, keyless
from support.raw_http import ended, request
from support.refusals import assert_refused, assert_tells_no_internals, message_of
from support.simulator import read_to_end

FAMILIES = [CHAT, MESSAGES]
CHAT_BODY = json.dumps(BODIES[CHAT]).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\n"


BAD_HTTP = {
    "no http": b"hello\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "http 2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /v1/models\r\n\r\n",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "length and chunked": HEAD
    + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"content-length: -1\r\n\r\n",
    "endless length": HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
    "chunked not last": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n",
    "space before colon": HEAD + b"x-api-key : a\r\n\r\n",
    "nul in value": HEAD + b"x: a\0b\r\n\r\n",
    "bad chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "authority": b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n",
    "no host path": b"GET http:// HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", BAD_HTTP.values(), ids=BAD_HTTP.keys())
def test_bad_http_is_refused_and_the_connection_ends(meterr: Conversation, sent: bytes) -> None:
    """Bad input: smuggling shapes are refused, not guessed, in the shape SDKs read."""
    before = meterr.call_count()
    with meterr.raw(sent) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = ended(connection)
    assert answer.status in {400, 401, 404, 405}
    assert_tells_no_internals(answer.body)
    assert answer.json()["error"]["message"]
    assert before == meterr.call_count()


def test_nothing_that_follows_bad_http_is_read(meterr: Conversation) -> None:
    """Bad input: what a smuggler hides behind the bad request is no request."""
    key = f"authorization: Bearer {meterr.house.key}\r\n".encode()
    hidden = HEAD + key + b"content-type: application/json\r\n"
    hidden += b"content-length: %d\r\n\r\n%b" % (len(CHAT_BODY), CHAT_BODY)
    before = meterr.call_count()
    answer = ended(meterr.raw(BAD_HTTP["two lengths"] + hidden))
    assert 400 == answer.status
    assert before == meterr.call_count()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"x: " + b"a" * 70_000 + b"\r\n", id="one large header"),
        pytest.param(b"".join(b"x-%d: a\r\n" % n for n in range(200)), id="many headers"),
        pytest.param(b"cookie: a=b\r\n" * 8000, id="bytes and count"),
    ],
)
def test_a_flood_of_headers_is_answered_431(meterr: Conversation, flood: bytes) -> None:
    """Bad input: bounded in bytes and in number."""
    with meterr.raw(HEAD + flood + b"\r\n") as connection:
        answer = ended(connection)
    assert (431, "close") == (answer.status, answer.headers["connection"])
    assert "headers" in message_of(MESSAGES, answer.body)


def test_a_long_target_is_answered_431(meterr: Conversation) -> None:
    """Bad input: the request line counts too."""
    assert 431 == ended(meterr.raw(b"GET /v1/models?" + b"a" * 70_000)).status


def test_a_slow_head_is_answered_408(impatient: Conversation) -> None:
    """Bad input: slowloris; here a head may take one second."""
    answer = ended(impatient.raw(HEAD + b"x: a"))
    assert 408 == answer.status
    assert "1 seconds" in message_of(MESSAGES, answer.body)


def test_a_connection_that_never_speaks_is_closed(impatient: Conversation) -> None:
    """Bad input: it gets no answer, because it asked nothing."""
    assert b"" == read_to_end(impatient.raw(b""))


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_never_ends_is_answered_408_and_the_connection_ends(
    impatient: Conversation, path: str, framing: str
) -> None:
    """Bad input: slowloris in the body; here it may take one second, and a second more to leave."""
    fields = dict(impatient.own(path))
    fields |= {"content-length": "100"} if framing == "length" else {"transfer-encoding": "chunked"}
    start = b'{"model":' if framing == "length" else b'9\r\n{"model":\r\n'
    answer = ended(impatient.raw(request("POST", path, fields) + start))
    assert_refused(path, answer, 408, "1 seconds")
    entry = impatient.entry(answer)
    assert ("refused", "request-timeout") == (entry["state"], entry["error"])


def test_a_refused_body_cannot_be_dripped_for_ever(impatient: Conversation) -> None:
    """Bad input: after the answer a client has as long as for a body, then it is cut off."""
    fields = {**keyless(CHAT), "transfer-encoding": "chunked"}
    with impatient.raw(request("POST", CHAT, fields)) as connection:
        assert b" 401 " in connection.recv(65536)
        connection.settimeout(0.05)
        assert_cut_off(connection)


def assert_cut_off(connection: socket.socket) -> None:
    """Drip bytes until the server closes; the test's own time limit is what ends it else."""
    with suppress(ConnectionError):
        while True:
            connection.sendall(b"1\r\nx\r\n")
            with suppress(TimeoutError):
                if not connection.recv(65536):
                    return


@pytest.mark.parametrize("behind", [b"GET / HTTP/1.1\r\nx: y", b"\0garbage\r\n\r\n"])
def test_an_error_never_lands_inside_a_running_answer(
    impatient: Conversation, behind: bytes
) -> None:
    """Bad input: a slow or broken request behind a stream ends the connection, without a word."""
    slow = {"chunks": 20, "text": "word " * 30, "chunk_delay_ms": 100}
    body = json.dumps({**BODIES[CHAT], "stream": True, "simulate": slow}).encode()
    with impatient.open(CHAT, body) as connection:
        received = b""
        while b"data: " not in received:
            received += connection.recv(65536)
        connection.sendall(behind)
        received += read_to_end(connection)
    assert 1 == received.count(b"HTTP/1.1 ")
    assert b"invalid-http" not in received
    call_id = received.partition(b"x-meterr-request-id: ")[2][:36].decode()
    assert "client_gone" == impatient.entry(call_id)["outcome"]
