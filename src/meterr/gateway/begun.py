"""Beginning at once what may have to wait, where no task can wait."""

from collections.abc import Awaitable, Generator
from typing import Any


def begin(awaitable: Awaitable[None]) -> Awaitable[None] | None:
    """
    Run ``awaitable`` up to where it waits; return its rest, or None when it is done already.

    For callbacks of the event loop, and for what seldom waits: a task would cost more than the work
    itself. The rest has to be awaited in a task. Until then nothing may depend on a current task.
    """
    steps = awaitable.__await__()
    try:
        waits_for = next(steps)
    except StopIteration:
        return None
    return _Begun(steps, waits_for)


class _Begun:
    """The rest of an awaitable that waits for a future already."""

    __slots__ = ("_steps", "_waits_for")

    def __init__(self, steps: Generator[Any, Any, None], waits_for: object) -> None:
        self._steps = steps
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waits_for  # a task waits for it as if it had come from the steps just now
            yield from self._steps
        finally:
            self._steps.close()
