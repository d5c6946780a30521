"""
Who acts, for the work that is done on their behalf.

Said once, where a request or a command is let in; every transaction below tells it to the database,
which records it beside what was changed. A context variable holds it, so it follows the calls of
one request and of no other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

SOURCE: Final[ContextVar[str]] = ContextVar("meterr_source", default="")
"""``kind|id|network``; empty where meterr itself acts."""


@contextmanager
def acting(kind: str, actor_id: str, network: str) -> Iterator[None]:
    """Say who acts within the block. Raises ValueError for a text that could be misread."""
    parts = (kind, actor_id, network)
    if any("|" in part for part in parts):
        raise ValueError("no part of a source has a bar in it")
    token = SOURCE.set("|".join(parts))
    try:
        yield
    finally:
        SOURCE.reset(token)
