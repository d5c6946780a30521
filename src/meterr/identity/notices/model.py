"""Frozen types of notices."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Notice:
    """
    That a person is told of an event.

    ``about`` is a name that somebody gave (of a key, a network, a role), ``many`` how many things
    of theirs it is about. ``tenant_id`` is None when it is about the person's own account.
    """

    event_id: str
    at: datetime
    kind: str
    tenant_id: str | None
    about: str
    many: int
    read_at: datetime | None


class NoticePage(NamedTuple):
    """One page of notices, newest first; ``after`` is None on the last."""

    notices: tuple[Notice, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One notice as a letter tells it; ``of_kind`` is how many of its kind the letter is about."""

    at: datetime
    kind: str
    about: str
    many: int
    of_kind: int = 1


@dataclass(frozen=True, slots=True)
class Letter:
    """
    What is to be sent to one person now.

    Args:
        event_id: Of the one notice that it is about; None for all that were gathered.
        lines: Newest first. Of many notices the newest, and at least one of each kind.
        email: None: to nobody (any more).
    """

    user_id: str
    event_id: str | None
    lines: tuple[Line, ...]
    email: str | None


class Sent(NamedTuple):
    """What became of a letter: sent, or refused for good; neither means it is tried again."""

    letter: Letter
    done: bool
    refused: bool = False
