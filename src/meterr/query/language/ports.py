"""What asking needs from outside: a model that writes, and somebody who runs what it wrote."""

from collections.abc import Sequence
from typing import Final, Protocol

from meterr.query.language.prompt import Message

COMPLETION_S_MAX: Final = 60
"""Longest time, in seconds, that a model may take for one reply."""


class Model(Protocol):
    """Any language model that can chat. No tools, no sampling parameters, no forced format."""

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return the text that follows ``messages``. Raises MeterrError when there is none."""


class ResultColumn(Protocol):
    """A column of a result."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str:
        """``number``, ``integer``, ``text``, ``boolean``, ``time``, ``date``, ``json``, others."""


class Result(Protocol):
    """What a statement brought; decimals are strings."""

    @property
    def columns(self) -> Sequence[ResultColumn]: ...
    @property
    def rows(self) -> Sequence[Sequence[object]]: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def relations(self) -> Sequence[str]: ...


class Runner(Protocol):
    """Runs a statement behind the walls, as the tenant."""

    async def run(self, tenant_id: str, sql: str) -> Result:
        """
        Guard ``sql`` and run it.

        Raises QueryRefused, QueryFailed or QueryTooCostly when the statement is at fault: their
        words are ours and hold no value of a row. Any other MeterrError ends the question.
        """
