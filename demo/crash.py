"""The gateway dies by ``kill -9`` in the middle of a stream, and the story goes on."""

import os
import signal
import time
from dataclasses import dataclass

import openai

from demo.running import DemoFailed, Running
from demo.traffic import CHAT, Clients, simulate

_TEXT = "A gateway that can be killed at any moment keeps its books before it spends. " * 4
_PIECES_BEFORE = 6
_BACK_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Crash:
    """What was seen from outside."""

    killed: int
    pieces: int
    seen: str
    request_id: str
    back_after_s: float
    answered: str
    successor: int


def crash(running: Running, clients: Clients) -> Crash:
    """Kill the gateway under a slow stream; return once a new call was answered."""
    killed = running.gateway_pids()[-1]
    raw = clients.openai.chat.completions.with_raw_response.create(
        model=CHAT,
        messages=[{"role": "user", "content": "Tell me slowly."}],
        stream=True,
        metadata=simulate(text=_TEXT, chunks=60, chunk_delay_ms=100),
    )
    pieces, seen = 0, ""
    try:
        for _ in raw.parse():
            pieces += 1
            if pieces == _PIECES_BEFORE:
                os.kill(killed, signal.SIGKILL)
                died = time.monotonic()
    except openai.APIConnectionError as error:
        seen = type(error).__name__
    if not seen:
        raise DemoFailed("the stream ended as if the gateway had not been killed")
    answered = _try_again(clients)
    return Crash(
        killed=killed,
        pieces=pieces,
        seen=seen,
        request_id=raw.headers["x-meterr-request-id"],
        back_after_s=time.monotonic() - died,
        answered=answered,
        successor=running.gateway_pids()[-1],
    )


def _try_again(clients: Clients) -> str:
    """Call until one is answered, as an application with retries does."""
    deadline = time.monotonic() + _BACK_TIMEOUT_S
    while True:
        try:
            answer = clients.openai.chat.completions.create(
                model=CHAT, messages=[{"role": "user", "content": "Are you back?"}]
            )
        except openai.APIError as error:
            if time.monotonic() > deadline:
                raise DemoFailed("the gateway did not come back") from error
            continue
        return answer.choices[0].message.content or ""
