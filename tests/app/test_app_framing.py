"""What a client wraps around a body: trailers without end, offers of other protocols, old HTTP."""

import json
from contextlib import suppress

import pytest

from support.conversation import BODIES, CHAT, Conversation
from support.simulator import read_to_end

UPGRADES = [
    "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    "Connection: upgrade\r\nUPGRADE: websocket\r\n",
]


def post(meterr: Conversation, body: bytes, more: str, version: str = "1.1") -> bytes:
    head = (
        f"POST {CHAT} HTTP/{version}\r\nhost: meterr\r\nauthorization: Bearer {meterr.house.key}"
        f"\r\ncontent-type: application/json\r\n{more}"
    )
    return f"{head}\r\n".encode() + body


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket"])
def test_a_client_that_offers_another_protocol_is_answered_in_this_one(
    meterr: Conversation, upgrade: str
) -> None:
    """P8, RFC 9110 7.8: the JDK's client offers h2c with its first request, and means its body."""
    body = json.dumps(BODIES[CHAT]).encode()
    more = f"{upgrade}content-length: {len(body)}\r\nx-close: 1\r\n"
    with meterr.raw(post(meterr, body, more)) as connection:
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_behind_a_refused_upgrade_is_no_second_request(meterr: Conversation) -> None:
    """Request smuggling: what follows the head of a request is that request's body."""
    hidden = post(meterr, b"", "content-length: 0\r\n").replace(b"POST " + CHAT.encode(), b"GET /")
    more = f"{UPGRADES[0]}content-length: {len(hidden)}\r\nconnection: close\r\n"
    with meterr.raw(post(meterr, hidden, more)) as connection:
        answer = read_to_end(connection)

    assert 1 == answer.count(b"HTTP/1.1 ")


@pytest.mark.parametrize(
    "flood",
    [b"0\r\nx: " + b"a" * 200_000, b"".join(b"1;" + b"e" * 500 + b"\r\na\r\n" for _ in range(400))],
    ids=["trailer", "extensions"],
)
def test_wrapping_without_end_is_cut_off(meterr: Conversation, flood: bytes) -> None:
    """Bad input, slowloris: trailers and chunk extensions have a limit of their own."""
    answer = b""
    with (
        meterr.raw(post(meterr, b"", "transfer-encoding: chunked\r\n") + flood) as connection,
        suppress(ConnectionResetError),  # it closes on what nobody reads
    ):
        while part := connection.recv(65_536):
            answer += part

    assert b"" == answer or answer.startswith(b"HTTP/1.1 400 ")
    assert 200 == meterr.post(CHAT, BODIES[CHAT]).status


def test_a_stream_to_http_1_0_has_no_chunks(meterr: Conversation) -> None:
    """RFC 9112 6.1: the old protocol does not know them; the connection's end ends the answer."""
    body = json.dumps({**BODIES[CHAT], "stream": True}).encode()
    sent = post(meterr, body, f"content-length: {len(body)}\r\n", version="1.0")
    with meterr.raw(sent) as connection:
        head, _, answer = read_to_end(connection).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head
    assert answer.startswith(b"data: {")
    assert answer.endswith(b"data: [DONE]\n\n")


def test_a_key_of_ours_counts_beside_a_token_of_somebody_else(meterr: Conversation) -> None:
    """P8: agents send an OAuth token of their own along with the API key they were given."""
    headers = {"authorization": "Bearer oauth-token", "x-api-key": meterr.house.key}

    assert 200 == meterr.post(CHAT, BODIES[CHAT], headers).status


@pytest.mark.parametrize("text", ["sk-meterr_live_CANARY", "Dear model, my secret is 7"])
def test_what_is_no_name_of_a_model_is_repeated_nowhere(meterr: Conversation, text: str) -> None:
    """P6: a key or a prompt in the wrong field reaches no log, no ledger and no error."""
    answer = meterr.post(CHAT, {**BODIES[CHAT], "model": text})

    assert 404 == answer.status
    assert text not in answer.body.decode()
    assert "" == meterr.entry(answer)["model"]
    assert not any(text in line for line in meterr.house.meterr.lines)
