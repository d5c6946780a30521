"""Reading a request's fields: typed getters that refuse in words a provider would use."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from meterr.simulator.model import Json, Refused, Tool
from meterr.simulator.steering import UNSTEERED, Steering, parse

Body = Mapping[str, Json]
_NOT_JSON = "We could not parse the JSON body of your request."
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(text: bytes) -> tuple[Body, Steering]:
    """
    Decode a request body and take its steering out of it.

    Raises:
        Refused: 400, no JSON object, or steering that is not understood.
    """
    try:
        raw = msgspec.json.decode(text, type=dict[str, Raw])
        found = [raw.pop("simulate")] if "simulate" in raw else []
        metadata = _metadata(raw)
        if "simulate" in metadata:
            found.append(metadata.pop("simulate"))
        fields = {name: msgspec.json.decode(value) for name, value in raw.items()}
        if metadata:
            fields["metadata"] = {
                name: msgspec.json.decode(value) for name, value in metadata.items()
            }
    except _UNREADABLE:
        raise Refused(400, _NOT_JSON) from None
    if len(found) > 1:
        raise Refused(400, "simulate: given twice, in metadata and beside it", param="simulate")
    return fields, parse(found[0]) if found else UNSTEERED


def _metadata(raw: dict[str, Raw]) -> dict[str, Raw]:
    text = raw.pop("metadata", None)
    if text is None or bytes(text) == b"null":
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise Refused(400, "metadata: expected an object", param="metadata") from None


def peek(text: bytes) -> tuple[str | None, bool]:
    """Return the model and the stream flag for the log, whatever else is wrong with the body."""
    try:
        seen = msgspec.json.decode(text, type=_Peek)
    except _UNREADABLE:
        return None, False
    return (
        seen.model if isinstance(seen.model, str) else None,
        seen.stream is True,
    )


class _Peek(msgspec.Struct):
    model: Json = None
    stream: Json = None


def text(body: Body, name: str) -> str:
    """Return the required string ``name``."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(400, f"{name}: a non-empty string is required", param=name)
    return value


def items(body: Body, name: str) -> list[Json]:
    """Return the required, non-empty list of objects ``name``."""
    value = body.get(name)
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(item, dict) for item in value)
    ):
        raise Refused(400, f"{name}: a non-empty array of objects is required", param=name)
    return value


def whole_number(body: Body, name: str, *, at_least: int = 1, at_most: int = 1 << 53) -> int | None:
    """Return the optional integer ``name``."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        raise Refused(
            400, f"{name}: an integer from {at_least} to {at_most} is required", param=name
        )
    return value


def flag(body: Body, name: str) -> bool:
    """Return the optional boolean ``name``, false when absent or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(400, f"{name}: a boolean is required", param=name)
    return value is True


def strings(body: Body, name: str) -> tuple[str, ...]:
    """Return the optional string or list of strings ``name``."""
    value = body.get(name)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise Refused(400, f"{name}: a string or an array of strings is required", param=name)
    return tuple(values)


def nested(body: Body, *names: str) -> Json:
    """Return the value at the end of the path ``names``, None when any part of it is missing."""
    node: Json = body
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def last_of(turns: list[Json], role: str) -> Json:
    """Return the last of ``turns`` that has ``role``, None when there is none."""
    return next((turn for turn in reversed(turns) if turn.get("role") == role), None)


def demanded(offered: list[Tool], *, any_tool: bool, name: Json) -> Tool | None:
    """Return the tool that tool_choice insists on: the one called ``name``, or the first of any."""
    if not offered or not (any_tool or isinstance(name, str)):
        return None
    if any_tool:
        return offered[0]
    for tool in offered:
        if tool.name == name:
            return tool
    raise Refused(400, f"tool_choice: no tool is called {name!r}", param="tool_choice")


def tool(name: Json, schema: Json) -> Tool:
    """Return one offered tool."""
    if not isinstance(name, str) or not name:
        raise Refused(400, "tools: each function needs a name", param="tools")
    return Tool(name, schema)
