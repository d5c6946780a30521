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
class Letter:
    """A notice that is to be sent now. ``email`` None: to nobody (any more)."""

    user_id: str
    event_id: str
    at: datetime
    kind: str
    about: str
    many: int
    email: str | None


class Sent(NamedTuple):
    """What became of a letter: sent, or refused for good; neither means it is tried again."""

    letter: Letter
    done: bool
    refused: bool = False
