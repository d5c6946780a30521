"""How much a server may send at once: one that sends without end fills nobody's memory."""

import array
import fcntl
import os
import socket
import termios
from collections.abc import Callable, Generator
from itertools import chain, repeat
from typing import Final, Self, TypeVar

from psycopg import AsyncConnection, errors
from psycopg.abc import RV, PQGen, PQGenConn
from psycopg.waiting import Ready

_Wanted = TypeVar("_Wanted")  # what psycopg waits for

# What a server says before anybody is in; any real one is done within a few thousand.
_GREETING_BYTES_MAX: Final = 1024 * 1024
_SEEN_BYTES: Final = 8192
_HEAD_BYTES: Final = 5  # a letter, and a length that counts itself


class TooMuchReceived(errors.ProgramLimitExceeded):
    """The server sent more than it may; the connection is of no further use."""


class GreetedConnection(AsyncConnection[tuple[object, ...]]):
    """A connection that a server which greets without end does not fill memory by."""

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        gen = super()._connect_gen(conninfo)
        return _bounded(gen, _GREETING_BYTES_MAX, lambda wanted: _waiting(wanted[0]))

    def hear_nobody(self) -> None:
        """Leave what a server tells unasked unread: its texts may be none."""
        self.pgconn.notice_handler = self.pgconn.notify_handler = None


def at_most(
    bytes_max: int, gen: PQGen[RV], descriptor: int, *, at_message: bool = False
) -> PQGen[RV]:
    """
    Do what ``gen``, a generator of psycopg's, does; stop reading after about ``bytes_max``.

    libpq takes in a message whole, however long the server says that it is. Counted is what waits
    in ``descriptor`` whenever it is read, so what arrives meanwhile comes on top: from a server as
    quick as we are that can be all of a message. With ``at_message``, where a message begins with
    the next byte and nothing is encrypted, what is said of its length counts, before it is read.

    Raises TooMuchReceived.
    """
    begins: list[Callable[[int], int]] = [_announced] if at_message else []
    counts = chain(begins, repeat(_waiting))
    return _bounded(gen, bytes_max, lambda _: next(counts)(descriptor))


def _bounded(
    gen: Generator[_Wanted, Ready | int, RV], left: int, count: Callable[[_Wanted], int]
) -> Generator[_Wanted, Ready | int, RV]:
    """Do what ``gen`` does, until the bytes that ``count`` finds before each read are too many."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready & Ready.R:
                left -= count(wanted)
                if left < 0:
                    raise TooMuchReceived("more than may be received")
            wanted = gen.send(ready)
    except StopIteration as end:
        value: RV = end.value
        return value


def _announced(descriptor: int) -> int:
    """Return how long the messages are whose beginnings can be seen, without taking them."""
    with socket.socket(fileno=os.dup(descriptor)) as seen:
        try:
            begun = seen.recv(_SEEN_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # nothing there after all, or no connection: reading it will tell
            return 0
    at = 0
    while at + _HEAD_BYTES <= len(begun) and begun[at : at + 1].isalnum():
        at += 1 + int.from_bytes(begun[at + 1 : at + _HEAD_BYTES], "big")
    return at


def _waiting(descriptor: int) -> int:
    """Return how many bytes can be read without waiting."""
    number = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, number)
    return number[0]
