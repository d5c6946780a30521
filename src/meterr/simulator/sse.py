"""Server-sent events, as the two families frame them."""

import msgspec

from meterr.simulator.model import Json, Piece

DONE = Piece(b"data: [DONE]\n\n")
PING = Piece(b'event: ping\ndata: {"type":"ping"}\n\n')


def unnamed(payload: Json, usage: Json = None) -> Piece:
    """Frame ``payload`` without an event name (chat completions)."""
    return Piece(b"data: " + msgspec.json.encode(payload) + b"\n\n", usage)


def named(payload: Json, usage: Json = None) -> Piece:
    """Frame ``payload`` under its own ``type`` (responses and messages)."""
    name = payload["type"].encode()
    return Piece(b"event: " + name + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n", usage)
