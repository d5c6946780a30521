"""Load on a gateway from outside: mixed calls whose usage is known beforehand."""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TEXT = "word " * 40


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of call: where it goes and how its body is made from (prompt, answer) tokens."""

    name: str
    path: str
    end: bytes  # what a whole answer holds
    stream: bool
    body: Mapping[str, Any]

    def steered(self, prompt: int, answer: int, pace: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of one call that uses so many tokens at that pace."""
        if self.name == "embeddings":
            usage = {"prompt_tokens": prompt, "total_tokens": prompt}
        elif self.name.startswith("chat"):
            usage = {"prompt_tokens": prompt, "completion_tokens": answer}
        else:
            usage = {"input_tokens": prompt, "output_tokens": answer}
        steering = {"usage": usage, "text": TEXT, **pace}
        return {**self.body, "stream": self.stream, "metadata": {"simulate": json.dumps(steering)}}


_TURNS = [{"role": "user", "content": "hi"}]
_CHAT = {"model": "gpt-4.1-mini", "messages": _TURNS}
_RESPONSES = {"model": "gpt-4.1-mini", "input": "hi"}
_MESSAGES = {"model": "claude-sonnet-4-5", "messages": _TURNS, "max_tokens": 99}
CHAT = Kind("chat", "/v1/chat/completions", b"usage", stream=False, body=_CHAT)
CHAT_STREAM = Kind("chat-stream", "/v1/chat/completions", b"data: [DONE]", stream=True, body=_CHAT)
MESSAGES = Kind("messages", "/v1/messages", b"usage", stream=False, body=_MESSAGES)
KINDS = (
    CHAT,
    CHAT_STREAM,
    Kind("responses", "/v1/responses", b"usage", stream=False, body=_RESPONSES),
    Kind("responses-stream", "/v1/responses", b"response.completed", stream=True, body=_RESPONSES),
    MESSAGES,
    Kind("messages-stream", "/v1/messages", b"message_stop", stream=True, body=_MESSAGES),
    Kind(
        "embeddings",
        "/v1/embeddings",
        b"usage",
        stream=False,
        body={"model": "text-embedding-3-small", "input": "hi"},
    ),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the client saw of one call. ``status`` is 0 when the connection broke first."""

    kind: str
    id: str
    status: int
    whole: bool
    prompt: int
    answer: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes


async def call(
    url: str, key: str, kind: Kind, tokens: tuple[int, int], pace: Mapping[str, Any]
) -> Seen:
    """Make one call on a connection of its own; a broken connection is an answer like any other."""
    place = urlsplit(url)
    body = json.dumps(kind.steered(*tokens, pace)).encode()
    version = "anthropic-version: 2023-06-01\r\n" if kind.path == "/v1/messages" else ""
    head = (
        f"POST {kind.path} HTTP/1.1\r\nhost: {place.netloc}\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n{version}\r\n"
    )
    raw = b""
    try:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(head.encode() + body)
            while part := await reader.read(65536):
                raw += part
        finally:
            writer.close()
            await writer.wait_closed()
    except OSError:
        pass
    return _seen(kind, tokens, raw)


def _seen(kind: Kind, tokens: tuple[int, int], raw: bytes) -> Seen:
    head, parted, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if parted else 0
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    length = headers.get("content-length")
    framed = body.endswith(b"\r\n0\r\n\r\n") if length is None else len(body) == int(length)
    whole = status == 200 and framed and kind.end in body and b"event: error" not in body
    prompt, answer = tokens
    answer = 0 if kind.name == "embeddings" else answer
    return Seen(
        kind=kind.name,
        id=headers.get("x-meterr-request-id", ""),
        status=status,
        whole=whole,
        prompt=prompt,
        answer=answer,
        headers=headers,
        body=body,
    )


class Load:
    """
    Callers in a thread of their own, each making one call after the other until it is left.

    ``url`` is asked before every call, so that it may change. ``seen`` grows in the thread.
    """

    def __init__(
        self,
        url: Callable[[], str],
        key: str,
        *,
        seed: int,
        callers: int = 30,
        kinds: tuple[Kind, ...] = KINDS,
    ) -> None:
        self.seen: list[Seen] = []
        self._url = url
        self._key = key
        self._callers = callers
        self._kinds = kinds
        self._random = random.Random(seed)
        self._leaving = False
        self._strikes: list[tuple[int, float, Callable[[], None]]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving = True
        self._thread.join()

    @property
    def whole(self) -> int:
        """How many calls were answered completely."""
        return sum(each.whole for each in self.seen[:])

    @property
    def broken(self) -> dict[str, int]:
        """Count the calls that were not answered completely, by kind and status."""
        broken = Counter(f"{each.kind} {each.status}" for each in self.seen if not each.whole)
        return dict(broken.most_common())

    def statuses(self, since: int = 0) -> Counter[int]:
        """Count the answers from number ``since`` on by status; 0 is a broken connection."""
        return Counter(each.status for each in self.seen[since:])

    def strike(self, after: int, delay_s: float, deed: Callable[[], None]) -> threading.Event:
        """Do ``deed`` ``delay_s`` after so many more calls have ended; say when it is done."""
        done = threading.Event()

        def act() -> None:
            deed()
            done.set()

        self._strikes.append((len(self.seen) + after, delay_s, act))
        return done

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as callers:
            for _ in range(self._callers):
                callers.create_task(self._one_caller())

    async def _one_caller(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._leaving:
            kind = self._random.choice(self._kinds)
            tokens = self._random.randint(1, 99_999), self._random.randint(1, 9_999)
            self.seen.append(
                await call(self._url(), self._key, kind, tokens, self._pace(kind.stream))
            )
            while self._strikes and len(self.seen) >= self._strikes[0][0]:
                _, delay_s, act = self._strikes.pop(0)
                loop.call_later(delay_s, act)
            if not self.seen[-1].status:
                await asyncio.sleep(0.005)  # nobody there: do not spin on refused connections

    def _pace(self, stream: bool) -> Mapping[str, int]:
        pace = {"delay_ms": self._random.choice((0, 0, 5, 20, 60))}
        if stream:
            pace["chunk_delay_ms"] = self._random.choice((0, 1, 5, 15))
        return pace
