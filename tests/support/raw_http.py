"""Requests as bytes, and the answers to them, for what no HTTP client would send."""

import re
import socket

from support.simulator import Answer, read_to_end


def request(method: str, target: str, fields: dict[str, str]) -> bytes:
    """Return the head of a request; it names a host of the house unless ``fields`` do."""
    named = {"host": "m", **fields}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def parsed(received: bytes) -> Answer:
    """Return the one answer in ``received``."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    assert int(fields["content-length"]) == len(body), received
    return Answer(int(status.split(" ")[1]), fields, body)


def ended(connection: socket.socket) -> Answer:
    """Return the answer on a connection that the server then closes."""
    return parsed(read_to_end(connection))


def first(connection: socket.socket) -> Answer:
    """Return the first answer on a connection that stays open, and close it."""
    received = b""
    with connection:
        while not (found := re.search(rb"content-length: (\d+)", received)) or len(
            received.partition(b"\r\n\r\n")[2]
        ) < int(found[1]):
            more = connection.recv(65536)
            assert more, received
            received += more
    return parsed(received)
