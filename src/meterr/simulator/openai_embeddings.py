"""POST embeddings: deterministic unit vectors, as floats or as base64 of little-endian float32."""

import base64
import hashlib
import math
import struct

from meterr.simulator import reading, tokens
from meterr.simulator.model import Json, Prompt, Refused, Whole
from meterr.simulator.script import Script

_DIMENSIONS = 1536
_DIMENSIONS_MAX = 4096
_INPUTS_MAX = 2048


def read(body: reading.Body) -> Prompt:
    """Read an embeddings request; a token array counts as many tokens as it has."""
    _dimensions(body)
    _wants_base64(body)
    inputs = _inputs(body)
    return Prompt(
        model=reading.text(body, "model"),
        input_tokens=sum(
            len(item) if isinstance(item, list) else tokens.count(item) for item in inputs
        ),
        question="",
    )


def whole(script: Script) -> Whole:
    """Write one vector for each input, in order."""
    usage = script.usage(
        {"prompt_tokens": script.answer.input_tokens, "total_tokens": script.answer.input_tokens}
    )
    dimensions, as_base64 = _dimensions(script.body), _wants_base64(script.body)
    body: dict[str, Json] = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _embedding(item, dimensions, as_base64),
            }
            for index, item in enumerate(_inputs(script.body))
        ],
        "model": script.answer.model,
    }
    if usage is not None:
        body["usage"] = usage
    return Whole(body, usage)


def _inputs(body: reading.Body) -> list[Json]:
    value = body.get("input")
    if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int)):
        value = [value]
    if not isinstance(value, list) or not 0 < len(value) <= _INPUTS_MAX:
        raise Refused(
            400, f"input: a string or 1 to {_INPUTS_MAX} of them are required", param="input"
        )
    if not all(_is_input(item) for item in value):
        raise Refused(
            400, "input: non-empty strings or arrays of tokens are required", param="input"
        )
    return value


def _is_input(item: Json) -> bool:
    if isinstance(item, str):
        return item != ""
    return isinstance(item, list) and item != [] and all(isinstance(token, int) for token in item)


def _dimensions(body: reading.Body) -> int:
    return reading.whole_number(body, "dimensions", at_most=_DIMENSIONS_MAX) or _DIMENSIONS


def _wants_base64(body: reading.Body) -> bool:
    wanted = body.get("encoding_format") or "float"
    if wanted not in {"float", "base64"}:
        raise Refused(
            400, "encoding_format: 'float' or 'base64' is required", param="encoding_format"
        )
    return wanted == "base64"


def _embedding(item: Json, dimensions: int, as_base64: bool) -> str | list[float]:
    seed = repr(item).encode("utf-8", "surrogatepass")
    stretched = hashlib.shake_128(seed).digest(2 * dimensions)
    drawn = struct.unpack(f"<{dimensions}h", stretched)
    # Half a step off zero, so that even one dimension has a length to divide by.
    length = math.sqrt(sum((value + 0.5) ** 2 for value in drawn))
    packed = struct.pack(f"<{dimensions}f", *((value + 0.5) / length for value in drawn))
    if as_base64:
        return base64.b64encode(packed).decode()
    return list(struct.unpack(f"<{dimensions}f", packed))
