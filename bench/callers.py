"""One kept-alive connection to each gateway process, to see what every single one answers."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

PATH = "/v1/chat/completions"
WHO = "/api/v1/me"
_BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]})
_TRIES_MAX = 400


class NotReached(Exception):
    """No connection ended up at one of the processes."""


@dataclass
class Caller:
    """A connection that ``pid`` has accepted; it makes one call after the other."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, key: str) -> int:
        """Make one chat call, read its answer to the end and return its status."""
        body = _BODY.encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return await self._answered(head.encode() + body)

    async def ask_who(self, token: str) -> int:
        """Ask the management API whose session ``token`` is of, and return the status."""
        head = f"GET {WHO} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        return await self._answered(head.encode())

    async def _answered(self, request: bytes) -> int:
        self.writer.write(request)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        await self.reader.readexactly(length)
        return int(lines[0].split()[1])

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        await self.writer.wait_closed()


async def one_to_each(port: int, pids: Sequence[int], key: str) -> list[Caller]:
    """
    Return one connection to each of ``pids``, which share ``port``, in their order.

    ``key`` makes one call on each connection: only then is it certain that it was accepted.
    """
    found: dict[int, Caller] = {}
    spare: list[Caller] = []
    for _ in range(_TRIES_MAX):
        caller = Caller(0, *await asyncio.open_connection("127.0.0.1", port))
        await caller.ask(key)
        own_port = caller.writer.get_extra_info("sockname")[1]
        caller.pid = next((pid for pid in pids if _holds(pid, own_port)), 0)
        if caller.pid in found or not caller.pid:
            spare.append(caller)
        else:
            found[caller.pid] = caller
        if len(found) == len(pids):
            break
    for each in spare:
        await each.close()
    if len(found) < len(pids):
        raise NotReached(f"{len(pids) - len(found)} of {len(pids)} processes took no connection")
    return [found[pid] for pid in pids]


def _holds(pid: int, remote_port: int) -> bool:
    held = psutil.Process(pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == remote_port for each in held)
