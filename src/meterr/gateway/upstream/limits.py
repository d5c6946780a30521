"""Every limit of the transport, by name, with its reason. In bytes unless the name says more."""

import math
from typing import Final

import msgspec

HEAD_BYTES_MAX: Final = 64 * 1024
"""All heads of one answer together. Providers send 1 to 4 KiB; far more is an attack on memory."""

HEADERS_MAX: Final = 200
"""Header lines in a head, and again in the trailers: each costs several objects, however short."""

INTERIM_ANSWERS_MAX: Final = 8
"""1xx answers before the real one: none is useful here, an endless row is a stall in disguise."""

LENGTH_DIGITS_MAX: Final = 18
"""Digits of a Content-Length: below 2**63 in every counter, and beyond any body there is."""

CHUNK_EXCESS_MAX: Final = 16 * 1024
"""Chunk lines, extensions and trailers beyond the allowance: work for us that carries no body."""

CHUNK_ALLOWANCE: Final = 64
"""Framing bytes that each piece of a chunked body brings for free; a plain one needs 5 to 20."""

UNREAD_BYTES_MAX: Final = 256 * 1024
"""Bytes that may wait unread before the socket is paused; one read (256 KiB) comes on top."""

JOINED_WRITE_MAX: Final = 64 * 1024
"""Up to here head and body are joined: beyond, the copy costs more than the second write."""

TICK_S_MAX: Final = 0.25
"""Deadlines are checked once a tick, for all connections at once, so that no call arms a timer."""

TICK_S_MIN: Final = 0.01
"""A shorter tick would cost more than it tells; timeouts below it are met only this coarsely."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """
    How long each stage of an exchange may stand still, in seconds, each greater than 0.

    Checked once a tick (an eighth of the shortest one, at most 0.25 s): never early, at most two
    ticks late. There is no limit on the whole exchange: a stream that moves may last for hours.
    """

    connect_s: float = (
        5.0  # waiting for a free connection, name lookup, TCP and TLS handshakes, together
    )
    write_s: float = 60.0  # the peer takes no byte of the request
    first_byte_s: float = 600.0  # request sent, head of the answer not complete
    idle_s: float = 120.0  # between two arrivals of body bytes, while somebody is reading

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be a finite number of seconds greater than 0.")


class Patience(msgspec.Struct, frozen=True):
    """The stages' timeouts counted in ticks of ``tick_s``: what the connections compare."""

    tick_s: float
    write: int
    first_byte: int
    idle: int
    keep: int


def patience_of(timeouts: Timeouts, keep_s: float) -> Patience:
    """Return ``timeouts`` and the idle life of a connection (``keep_s``) in ticks, rounded up."""
    stages_s = (timeouts.write_s, timeouts.first_byte_s, timeouts.idle_s, keep_s)
    tick_s = min(TICK_S_MAX, max(TICK_S_MIN, min(stages_s) / 8))
    return Patience(tick_s, *(math.ceil(stage_s / tick_s) for stage_s in stages_s))
