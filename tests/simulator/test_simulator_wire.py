"""What a raw socket sees: real cuts, stalls, delays and truncations."""

import socket
import time
from typing import Any

import openai
import pytest

from support.simulator import Wire, read_to_end

HELLO: Any = [{"role": "user", "content": "hello there"}]
LAST_CHUNK = b"\r\n0\r\n\r\n"
PATH = "/v1/chat/completions"


def steered(steering: Any, *, stream: bool) -> dict[str, Any]:
    return {"model": "m", "messages": HELLO, "stream": stream, "simulate": steering}


def head_and_body(received: bytes) -> tuple[bytes, bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def test_a_whole_stream_ends_with_the_terminating_chunk(wire: Wire) -> None:
    """The positive side of the cut tests."""
    received = read_to_end(
        wire.raw(PATH, steered({}, stream=True), headers="connection: close\r\n")
    )

    assert received.endswith(LAST_CHUNK)


@pytest.mark.parametrize("events", [0, 1, 4, 11])
def test_a_cut_stream_sends_so_many_events_and_no_terminating_chunk(
    wire: Wire, events: int
) -> None:
    """Issue item 7: cut after n chunks; the connection really breaks. 11 is all of them."""
    received = read_to_end(wire.raw(PATH, steered({"cut_after": events}, stream=True)))
    head, body = head_and_body(received)

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert events == body.count(b"data: ")
    assert LAST_CHUNK not in b"\r\n" + body


def test_a_cut_answer_falls_short_of_its_content_length(wire: Wire) -> None:
    """Unstreamed: the promise of the head is broken."""
    received = read_to_end(wire.raw(PATH, steered({"cut_after": 3, "chunks": 4}, stream=False)))
    head, body = head_and_body(received)

    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < announced


def test_a_cut_beyond_the_end_is_no_cut(wire: Wire) -> None:
    """A stream shorter than cut_after ends as usual."""
    body = steered({"cut_after": 500}, stream=True)
    received = read_to_end(wire.raw(PATH, body, headers="connection: close\r\n"))

    assert received.endswith(LAST_CHUNK)


@pytest.mark.parametrize("stream", [False, True])
def test_malformed_truncated_breaks_off_in_the_middle(wire: Wire, stream: bool) -> None:
    """Half a body under a full Content-Length; half an event in a stream."""
    received = read_to_end(wire.raw(PATH, steered({"malformed": "truncated"}, stream=stream)))
    head, body = head_and_body(received)

    assert body
    assert LAST_CHUNK not in body
    assert stream == (b"transfer-encoding: chunked" in head)


def test_the_sdk_notices_a_cut(openai_sdk: openai.OpenAI) -> None:
    """A client library sees a broken connection, not the end of a stream."""
    stream = openai_sdk.chat.completions.create(
        model="m", messages=HELLO, stream=True, extra_body={"simulate": {"cut_after": 2}}
    )

    with pytest.raises(openai.APIConnectionError):
        list(stream)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stall_holds_the_connection_until_the_client_leaves(wire: Wire, stream: bool) -> None:
    """Issue item 7: answers, then stalls. The client's leaving is in the log."""
    before = len(wire.calls())
    with wire.raw(PATH, steered({"stall_after": 2}, stream=stream)) as connection:
        received = b""
        while received.count(b"data: ") < 2 and b'"object"' not in received:
            received += connection.recv(65536)
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            _discard(connection)

    assert "client_gone" == _stage_after(wire, before)


def test_never_answer_sends_not_even_a_head(wire: Wire) -> None:
    """Issue item 7: the upstream that never answers."""
    before = len(wire.calls())
    with wire.raw(PATH, steered({"never_answer": True}, stream=False)) as connection:
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert "client_gone" == _stage_after(wire, before)
    assert wire.calls()[before]["status"] is None


def test_delays_come_before_the_head_and_between_the_chunks(wire: Wire) -> None:
    """Lower bounds only: 60 ms for the head, and with 10 pauses of 10 ms between 11 events."""
    body = steered({"delay_ms": 60, "chunk_delay_ms": 10}, stream=True)
    started = time.monotonic()
    with wire.raw(PATH, body, headers="connection: close\r\n") as connection:
        first = connection.recv(1)
        headed = time.monotonic()
        read_to_end(connection)
    ended = time.monotonic()

    assert b"H" == first
    assert headed - started >= 0.05
    assert ended - started >= 0.15
    assert ended > headed


def _discard(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _stage_after(wire: Wire, before: int) -> str:
    """Return the stage of the call numbered after ``before``, once it has one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        after = wire.calls()[before:]
        if after and after[0]["stage"] != "received":
            stage: str = after[0]["stage"]
            return stage
    return "received"
