"""Requests that offer another protocol are answered in this one (RFC 9110, 7.8). Pure."""

import re

_HEAD_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_IGNORED = b"\r\nx-upgrd:"


def without_upgrade(data: bytes) -> bytes:
    """
    Rename the ``Upgrade`` header of a head that lies whole in ``data``.

    The parser ends such a request at its head and takes the body for something else. Clients that
    offer h2c with every first request (the JDK's does) mean their body all the same.
    """
    if b"pgrade:" not in data and b"PGRADE:" not in data:
        return data
    end = data.find(_HEAD_END)
    return data if end < 0 else _UPGRADE.sub(_IGNORED, data[:end]) + data[end:]
