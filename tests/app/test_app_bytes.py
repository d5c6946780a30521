"""Bytes go through untouched, both ways; the one edit that we make is the one that we declare."""

import hashlib
import json
import zlib
from typing import Any

import pytest

from support.conversation import BODIES, CHAT, COUNT_TOKENS, EMBEDDINGS, STREAMING, Conversation
from support.simulator import Answer

MARKUP_AND_SQL = [
    "Map<String, List<Integer>> or a < b && b > c?",
    "<system>You are terse.</system> <script>alert(1)</script> &lt;b&gt;",
    "#include <vector>\nint main() {}",
    "Select a title and update the order; then drop the table, please. -- or 1=1",
]
ASKED = b'"stream_options":{"include_usage":true},'


def odd(path: str, **more: Any) -> bytes:
    """Return a body of ``path`` as no serialiser writes it: spacing, escapes, order, new fields."""
    fields = {
        "zz_new": {"b": [1.0, 1e3, -0.0, 12345678901234567890], "a": None},
        **BODIES[path],
        "user": "Zoë \U0001f980 \u2028",
        **more,
        "a_new": {"model": "inner", "stream": "inner", "model_": "\\u006dodel"},
    }
    parts = [
        json.dumps(name) + " :\t" + json.dumps(value, ensure_ascii=False, separators=(" ,", ":  "))
        for name, value in fields.items()
    ]
    return (
        ("\r\n {\n  " + " ,\n".join(parts) + "\t}\n\n").encode().replace("ë".encode(), b"\\u00EB")
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def assert_untouched(talk: Conversation, sent: bytes, answer: Answer) -> None:
    assert 200 == answer.status
    call = talk.call(answer)
    assert sha256(sent) == call["body_sha256"]
    assert sha256(answer.body) == call["answer_sha256"]
    entry = talk.entry(answer)
    assert (len(sent), len(answer.body)) == (entry["request_bytes"], entry["answer_bytes"])


@pytest.mark.parametrize("path", BODIES)
def test_a_body_and_its_answer_go_through_untouched(meterr: Conversation, path: str) -> None:
    """4.2, 4: byte for byte on every surface, whatever the body looks like."""
    body = odd(path)
    assert_untouched(meterr, body, meterr.post(path, body))


@pytest.mark.parametrize("prompt", MARKUP_AND_SQL)
def test_a_prompt_that_looks_like_markup_or_sql_is_a_prompt(
    meterr: Conversation, prompt: str
) -> None:
    """S1:45, S1:51, S1:71-89: nothing is refused, cleaned or escaped: not a byte is changed."""
    body = json.dumps({**BODIES[CHAT], "messages": [{"role": "user", "content": prompt}]}).encode()
    assert_untouched(meterr, body, meterr.post(CHAT, body))


@pytest.mark.parametrize("path", STREAMING)
def test_a_stream_goes_through_untouched(meterr: Conversation, path: str) -> None:
    """4.2, 4: byte for byte in streams, when nothing had to be asked for."""
    more = {"stream_options": {"include_usage": True}} if path == CHAT else {}
    body = odd(path, stream=True, **more, simulate={"chunks": 50, "reasoning": "hm " * 50})
    assert_untouched(meterr, body, meterr.post(path, body))


def test_the_declared_edit_is_the_only_one(meterr: Conversation) -> None:
    """4.2, 3: a chat stream is asked for its usage: one field more at the front, nothing else."""
    body = odd(CHAT, stream=True)
    answer = meterr.post(CHAT, body)
    at = body.index(b"{") + 1
    assert sha256(body[:at] + ASKED + body[at:]) == meterr.call(answer)["body_sha256"]
    assert len(body) == meterr.entry(answer)["request_bytes"]


@pytest.mark.parametrize("path", [path for path in BODIES if path != COUNT_TOKENS])
def test_a_compressed_answer_goes_through_compressed_and_is_counted(
    meterr: Conversation, path: str
) -> None:
    """4.2, 6: gzip answers keep their bytes, and their usage is read all the same."""
    text = {} if path == EMBEDDINGS else {"text": "word " * 2000}
    body = odd(path, simulate={"gzip": True, **text})
    answer = meterr.post(path, body, {"accept-encoding": "gzip"})
    assert "gzip" == answer.headers["content-encoding"]
    assert_untouched(meterr, body, answer)
    told = json.loads(zlib.decompress(answer.body, zlib.MAX_WBITS | 16))
    assert told["usage"] == meterr.call(answer)["usage"]
    assert "" == meterr.entry(answer)["estimate"]


def test_an_answer_is_not_compressed_for_who_cannot_read_it(meterr: Conversation) -> None:
    """Only what the caller accepts is asked for upstream."""
    answer = meterr.simulated(CHAT, {"gzip": True})
    assert "content-encoding" not in answer.headers
    assert answer.json()["usage"]


@pytest.mark.parametrize("size", [1_000_000, 20_000_000])
def test_a_large_body_goes_through_untouched(meterr: Conversation, size: int) -> None:
    """Images need room: far below the limit nothing changes."""
    image = json.dumps({**BODIES[CHAT], "image": "A" * size, "simulate": {"text": "ok"}}, indent=3)
    body = image.encode()
    assert_untouched(meterr, body, meterr.post(CHAT, body))


def test_a_body_in_many_chunks_goes_through_as_one(meterr: Conversation) -> None:
    """How the caller frames its body is its own affair."""
    body = odd(CHAT)
    head = "".join(f"{name}: {value}\r\n" for name, value in meterr.own(CHAT).items())
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    framed = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    sent = f"POST {CHAT} HTTP/1.1\r\nhost: m\r\ntransfer-encoding: chunked\r\n{head}\r\n".encode()
    with meterr.raw(sent + framed + b"0\r\nx-api-key: trailer\r\nx-late: 1\r\n\r\n") as connection:
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    call_id = answer.partition(b"x-meterr-request-id: ")[2][:36].decode()
    (call,) = meterr.calls_of(call_id)
    assert sha256(body) == call["body_sha256"]
    assert "transfer-encoding" not in call["headers"]


@pytest.mark.parametrize("query", ["beta=true", "a=1&a=2&b=%2F%20+&c", "x=%C3%A9"])
@pytest.mark.parametrize("path", BODIES)
def test_a_query_string_goes_through_untouched(meterr: Conversation, path: str, query: str) -> None:
    """4.2, 6: query strings on POST are kept."""
    answer = meterr.post(f"{path}?{query}", BODIES[path])
    assert 200 == answer.status
    assert sha256(query.encode()) == meterr.call(answer)["query_sha256"]
