"""One way to write several values as one: no two different lists of values give the same bytes."""

import struct

_LENGTH = struct.Struct(">I")


def encode(*fields: bytes) -> bytes:
    """Return each field behind its length in 4 bytes, in order."""
    return b"".join([_LENGTH.pack(len(field)) + field for field in fields])
