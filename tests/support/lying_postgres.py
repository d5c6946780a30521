"""A server that speaks PostgreSQL's protocol until somebody is in, and then does what it likes."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

from pydantic import SecretStr

_SSL_REQUEST = struct.pack("!i", 80877103)
_KB = b"x" * 1000
_SALT = "QUFBQUFBQUFBQUFBQUFBQQ=="


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


_HELLO = (
    _message(b"R", struct.pack("!i", 0))
    + b"".join(
        _message(b"S", name + b"\0" + value + b"\0")
        for name, value in (
            (b"server_version", b"17.2"),
            (b"client_encoding", b"UTF8"),
            (b"standard_conforming_strings", b"on"),
        )
    )
    + _message(b"K", struct.pack("!ii", 7, 7))
    + _message(b"Z", b"I")
)
_BEGUN = _message(b"C", b"BEGIN\0") + _message(b"Z", b"T")
_COLUMN = struct.pack("!h", 1) + b"x\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
_READ = _message(b"1") + _message(b"2")
_ROWS = _message(b"1") + _message(b"2") + _message(b"T", _COLUMN)

# What comes once, and what comes again and again.
LIES = {
    "nothing at all": (b"", b""),
    "garbage": (b"\xff\x00\x01 no message" * 100, b""),
    "rows without end": (_ROWS, _message(b"D", struct.pack("!hi", 1, 1000) + _KB)),
    "a row of a gigabyte": (_ROWS + b"D" + struct.pack("!ihi", 2**30 + 10, 1, 2**30), _KB),
    "notices without end": (b"", _message(b"N", b"SNOTICE\0C00000\0M" + _KB + b"\0\0")),
    "notifications without end": (b"", _message(b"A", struct.pack("!i", 1) + b"c\0" + _KB + b"\0")),
    "settings without end": (b"", _message(b"S", b"a\0" + _KB + b"\0")),
    "a copy that nobody asked for": (
        _message(b"1") + _message(b"2") + _message(b"H", struct.pack("!bh", 0, 0)),
        _message(b"d", _KB),
    ),
}


_Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def lying_postgres(lie: str, *, begins: bool = True) -> AsyncIterator[SecretStr]:
    """Yield the address. Lets everybody in and begins a transaction; what comes next is a lie."""
    once, always = LIES[lie]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_HELLO)
        kind, body = await reader.readexactly(1), await _packet(reader)
        if begins and kind == b"Q" and b"begin" in body:
            writer.write(_BEGUN)
            await reader.readexactly(1)
            await _packet(reader)
        await _repeat(writer, once, always)

    async with _listening(talk) as url:
        yield url


@asynccontextmanager
async def lying_greeter(lie: str) -> AsyncIterator[SecretStr]:
    """Yield the address. Lies before anybody is in."""
    once, always = LIES[lie]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_message(b"R", struct.pack("!i", 0)))
        await _repeat(writer, once, always)

    async with _listening(talk) as url:
        yield url


@asynccontextmanager
async def many_rounds(rounds: int) -> AsyncIterator[SecretStr]:
    """Yield the address. Asks for so many rounds of SCRAM before anybody is in, and no more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"))
        await reader.readexactly(1)
        nonce = (await _packet(reader)).split(b"r=")[1].decode()
        challenge = f"r={nonce}more,s={_SALT},i={rounds}".encode()
        writer.write(_message(b"R", struct.pack("!i", 11) + challenge))
        await reader.readexactly(1)
        await _packet(reader)
        writer.write(_message(b"E", b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"))

    async with _listening(talk) as url:
        yield url


@asynccontextmanager
async def answering(*answers: bytes, hangs_up: bool = True) -> AsyncIterator[SecretStr]:
    """Yield the address. Begins whatever is to begin, answers the rest in order and is gone."""
    left = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_HELLO)
        while left:
            kind, body = await reader.readexactly(1), await _packet(reader)
            if kind == b"Q" and b"begin" in body.lower():
                writer.write(_BEGUN)
            elif kind == b"Q":
                writer.write(left.pop(0).removeprefix(_READ))
            elif kind == b"S":
                writer.write(left.pop(0))
        if hangs_up:
            writer.close()

    async with _listening(talk) as url:
        yield url


def prepared(*before: bytes) -> bytes:
    """Return what says that a statement is prepared."""
    return b"".join(before) + _message(b"1") + _message(b"Z", b"T")


def one_value(value: bytes, type_oid: int = 25, name: bytes = b"x") -> bytes:
    """Return an answer with one row of one column."""
    column = name + b"\0" + struct.pack("!ihihih", 0, 0, type_oid, -1, -1, 0)
    return (
        _READ + _message(b"T", struct.pack("!h", 1) + column)
        + _message(b"D", struct.pack("!hi", 1, len(value)) + value)
        + _message(b"C", b"SELECT 1\0") + _message(b"Z", b"T")
    )  # fmt: skip


PLAN = one_value(b'[{"Plan": {"Total Cost": 1.0}}]', 114)
UNDONE = _message(b"C", b"ROLLBACK\0") + _message(b"Z", b"I")
NOTIFIED = _message(b"A", struct.pack("!i", 1) + b"\xff\0\xff\0")
"""A notification in no encoding."""
DEEP = b"{" * 5000 + b"1" + b"}" * 5000


def an_error(**fields: bytes) -> bytes:
    """Return an error with these fields, by their letters."""
    told = b"".join(letter.encode() + text + b"\0" for letter, text in fields.items())
    return _message(b"E", b"SERROR\0C42P01\0Mx\0" + told + b"\0") + _message(b"Z", b"E")


async def _repeat(writer: asyncio.StreamWriter, once: bytes, always: bytes) -> None:
    writer.write(once)
    while always:
        writer.write(always * 64)
        await writer.drain()


@asynccontextmanager
async def _listening(talk: _Talk) -> AsyncIterator[SecretStr]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            if (await _packet(reader))[:4] == _SSL_REQUEST:
                writer.write(b"N")
                await _packet(reader)
            await talk(reader, writer)
            await reader.read()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield SecretStr(f"postgresql://u:p@127.0.0.1:{port}/d")
    finally:
        listening.close()
        await asyncio.wait({task for task in serving if task}, timeout=5)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length - 4)
