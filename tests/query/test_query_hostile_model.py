"""What a gateway may answer instead of a completion: one error, in time, and no more memory."""

import asyncio

import pytest

from meterr.core.errors import Unavailable
from meterr.query.language.gateway_model import GatewayModel
from meterr.query.language.prompt import Message

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"10000\r\n" + b" " * 65_536 + b"\r\n"


def whole(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def said(content: bytes) -> bytes:
    return whole(b'{"choices":[{"message":{"content":%b}}]}' % content)


async def asked(first: bytes, again: bytes = b"", timeout_s: float = 30) -> str:
    """Ask a server that sends the first bytes, and the others for as long as somebody listens."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        try:
            while again:
                writer.write(again)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        model = GatewayModel(f"http://127.0.0.1:{port}", "key", "m", timeout_s=timeout_s)
        return await model.complete([Message("user", "hi")])


@pytest.mark.parametrize(
    ("first", "again", "why"),
    [
        (b"", b"", "RemoteProtocolError"),
        (b"\x00\xff garbage\r\n\r\n", b"", "RemoteProtocolError"),
        (HEAD + b"content-length: 500\r\n\r\n{", b"", "RemoteProtocolError"),
        (HEAD + b"x: " + b"a" * 1_000_000 + b"\r\n\r\n", b"", "RemoteProtocolError"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"", "RemoteProtocolError"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", CHUNK, "too long"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", "TimeoutError"),
        (b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", b"", "status 302"),
        (b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", b"", "status 429"),
        (whole(b"<html>"), b"", "not a completion"),
        (whole(b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), b"", "not a completion"),
        (said(b"5"), b"", "not a completion"),
        (said(b'"\\ud800"'), b"", "not a completion"),
        (said(b'"\xff"'), b"", "not a completion"),
    ],
)
async def test_what_is_no_completion_is_one_error(first: bytes, again: bytes, why: str) -> None:
    """Issue 5.5: garbage, endless, redirected, refused; the caller hears one sentence of ours."""
    timeout_s = 0.3 if why == "TimeoutError" else 30
    with pytest.raises(Unavailable) as caught:
        await asked(first, again, timeout_s)
    assert why == caught.value.private


async def test_an_answer_of_nothing_is_nothing() -> None:
    """It is then no answer in the agreed form, and is repaired like one."""
    assert "" == await asked(said(b"null"))
    assert "" == await asked(whole(b'{"choices":[]}'))
