"""An application that breaks takes its own connection along, and tells nobody what it knew."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from meterr.core.clock import SystemClock
from meterr.core.http import connection
from meterr.core.http.asgi import Receive, Scope, Send
from meterr.core.telemetry import LibraryHandler, Telemetry
from support.small_door import SmallDoor, serving

CANARY = "what the caller said"  # no shape that a redactor knows
REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin an answer, then fail with what the caller sent, from what the caller sent."""
    head = [(b"content-length", b"10")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    try:
        int(CANARY)
    except ValueError as error:
        raise LookupError(CANARY) from error


@contextmanager
def logged(descriptor: int) -> Iterator[None]:
    """Log as a gateway does, to ``descriptor``."""
    logger = logging.getLogger(connection.__name__)
    handler = LibraryHandler(Telemetry(SystemClock(), fd=descriptor))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def test_an_answer_that_breaks_off_is_told_by_its_kind_and_ends_its_connection_alone() -> None:
    """DESIGN P6: the traceback holds what the caller sent; the log has where, and which kind."""
    reading, writing = os.pipe()
    with logged(writing), serving(breaks, connection.Connection) as port:
        received = [SmallDoor(port).raw(REQUEST) for _ in range(2)]
    os.close(writing)
    with os.fdopen(reading, "rb") as reader:
        lines = reader.read().splitlines()

    assert [True, True] == [each.startswith(b"HTTP/1.1 200 OK\r\n") for each in received]
    assert [True, True] == [each.endswith(b"\r\n\r\nhalf") for each in received]
    assert ["LookupError", "LookupError"] == [json.loads(line)["error_type"] for line in lines]
    assert CANARY.encode() not in b"".join([*lines, *received])
