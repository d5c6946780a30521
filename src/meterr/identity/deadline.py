"""Giving up on a server that stopped answering, for certain and without waiting for it."""

import asyncio
from collections.abc import Coroutine
from typing import Final, TypeVar

Answer = TypeVar("Answer")

# After a stall of our own loop the answer may lie unread in the socket: look once more before
# blaming the server.
_GRACE_S: Final = 0.05
# A cancelled psycopg call first asks the server to stop, which takes seconds when that does not
# answer either; cancelling it again closes the socket.
_CANCEL_EVERY_S: Final = 0.05
_CANCELS_MAX: Final = 100


async def within(seconds: float, call: Coroutine[None, None, Answer]) -> Answer:
    """
    Return what ``call`` returns, or raise TimeoutError after ``seconds`` (and clean-up, at most 5).

    Unlike asyncio.timeout, does not depend on ``call`` to end when it is cancelled once.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            done, _ = await asyncio.wait({task}, timeout=_GRACE_S)
        if done:
            return task.result()
    finally:
        if not task.done():
            await _put_down(task)
    raise TimeoutError


async def _put_down(task: asyncio.Future[Answer]) -> None:
    for _ in range(_CANCELS_MAX):
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_EVERY_S)
        if task.done():
            break
    if task.done() and not task.cancelled():
        # Retrieved, so that a failure on the way out is not reported as one nobody looked at.
        task.exception()
