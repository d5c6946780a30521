"""One answer on its way out: pacing, counting what was sent, and noticing that the client left."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum

from meterr.core.http.asgi import Message, Receive, Send
from meterr.simulator.model import Json, Piece

_GZIP_WINDOW = 31  # zlib's number for a gzip wrapper around the largest window


class End(StrEnum):
    """How an exchange ended."""

    ANSWERED = "answered"
    CUT = "cut"
    CLIENT_GONE = "client_gone"


class ClientGone(Exception):
    """The client closed its connection before the end of the answer."""


class Exchange:
    """
    Send one answer over ASGI.

    Ending without ``finish`` leaves the body open: the server then breaks the connection without
    the terminating chunk, or short of the Content-Length.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._gone: asyncio.Task[Message] | None = None
        self._digest = hashlib.sha256()
        self._encode: Callable[[bytes, bool], bytes] = _as_it_is
        self.status: int | None = None
        self.usage: Json = None
        self.bytes_sent = 0
        self.pieces_sent = 0

    @property
    def sha256(self) -> str:
        """Hex digest of the body sent so far."""
        return self._digest.hexdigest()

    async def start(
        self, status: int, headers: Mapping[str, str], *, gzipped: bool = False
    ) -> None:
        """Send the head; with ``gzipped`` every later piece is compressed and flushed by itself."""
        if gzipped:
            self._encode = _gzip_encoder()
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})
        self.status = status

    async def send(self, piece: Piece, *, last: bool = False) -> None:
        """Send one piece; with ``last`` the body is complete."""
        data = self._encode(piece.data, last)
        if self._gone is not None and self._gone.done():
            raise ClientGone
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        self._digest.update(data)
        self.bytes_sent += len(data)
        self.pieces_sent += 1
        if piece.usage is not None:
            self.usage = piece.usage

    async def pause(self, milliseconds: int) -> None:
        """Wait; raises ClientGone as soon as the client leaves."""
        if milliseconds:
            gone = self._watch()
            await asyncio.wait({gone}, timeout=milliseconds / 1000)
            if gone.done():
                raise ClientGone

    async def until_client_leaves(self) -> None:
        """Wait without end; always raises ClientGone."""
        await asyncio.wait({self._watch()})
        raise ClientGone

    async def close(self) -> None:
        """Stop watching the client."""
        if self._gone is not None:
            self._gone.cancel()
            await asyncio.wait({self._gone})

    def notice_departure(self) -> None:
        """Begin to notice that the client leaves, so that ``send`` can tell."""
        self._gone = self._watch()

    def _watch(self) -> asyncio.Task[Message]:
        # The request was read whole, so the only message left to receive is the disconnect.
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._disconnect())
        return self._gone

    async def _disconnect(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message


def _as_it_is(data: bytes, _last: bool) -> bytes:
    return data


def _gzip_encoder() -> Callable[[bytes, bool], bytes]:
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW)

    def encode(data: bytes, last: bool) -> bytes:
        ending = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
        return compressor.compress(data) + compressor.flush(ending)

    return encode
