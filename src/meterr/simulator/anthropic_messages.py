"""POST messages and messages/count_tokens: Anthropic's shapes."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from meterr.simulator import reading, sse, tokens
from meterr.simulator.model import Finish, Json, Piece, Prompt, Refused, ToolCall, Whole
from meterr.simulator.script import Script
from meterr.simulator.steering import UsagePlace

_FINISH = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_SIGNATURE = "c2ltdWxhdG9y"


@dataclass(frozen=True, slots=True)
class _Block:
    """A content block: whole, as it opens in a stream, and how its text is sent in pieces."""

    content: dict[str, Json]
    opening: dict[str, Json]
    delta: str
    delta_field: str
    text: str


def read(body: reading.Body) -> Prompt:
    """Read a messages request; ``max_tokens`` is required, as it is there."""
    limit = reading.whole_number(body, "max_tokens")
    if limit is None:
        raise Refused(400, "max_tokens: Field required", param="max_tokens")
    choice = reading.nested(body, "tool_choice", "type")
    offers = reading.items(body, "tools") if body.get("tools") else []
    return Prompt(
        model=reading.text(body, "model"),
        input_tokens=_input_tokens(body),
        question=tokens.text_of(reading.last_of(reading.items(body, "messages"), "user")),
        stream=reading.flag(body, "stream"),
        output_tokens_max=limit,
        stops=reading.strings(body, "stop_sequences"),
        demanded_tool=reading.demanded(
            [reading.tool(offer.get("name"), offer.get("input_schema")) for offer in offers],
            any_tool=choice == "any",
            name=reading.nested(body, "tool_choice", "name") if choice == "tool" else None,
        ),
        schema=reading.nested(body, "output_config", "format", "schema"),
    )


def read_count(body: reading.Body) -> Prompt:
    """Read a count_tokens request."""
    return Prompt(model=reading.text(body, "model"), input_tokens=_input_tokens(body), question="")


def _input_tokens(body: reading.Body) -> int:
    return tokens.count(
        tokens.text_of(body.get("system")), tokens.text_of(reading.items(body, "messages"))
    )


def counted(script: Script) -> Whole:
    """Write the answer of count_tokens: a steered usage, or a message's input tokens."""
    usage = script.usage({"input_tokens": script.answer.input_tokens})
    return Whole(usage if usage is not None else {}, usage)


def whole(script: Script) -> Whole:
    """Write the answer as one ``message``."""
    usage = script.usage(_usage(script))
    body = _head(script)
    body["content"] = [block.content for block in _blocks(script)]
    body |= _ending(script)
    if usage is not None:
        body["usage"] = usage
    return Whole(body, usage)


def events(script: Script) -> Iterator[Piece]:
    """Write the answer as a stream: usage at its start, cumulative in ``message_delta``."""
    yield _message_start(script)
    for index, block in enumerate(_blocks(script)):
        yield sse.named(
            {"type": "content_block_start", "index": index, "content_block": block.opening}
        )
        if index == 0:
            yield sse.PING
        for piece in script.pieces(block.text):
            yield _delta(index, {"type": block.delta, block.delta_field: piece})
        if block.delta == "thinking_delta":
            yield _delta(index, {"type": "signature_delta", "signature": _SIGNATURE})
        yield sse.named({"type": "content_block_stop", "index": index})
    yield _message_delta(script)
    yield sse.named({"type": "message_stop"})


def _delta(index: int, delta: Json) -> Piece:
    return sse.named({"type": "content_block_delta", "index": index, "delta": delta})


def _message_start(script: Script) -> Piece:
    if script.steering.usage_place is UsagePlace.CHOICE:
        usage: Json = {"input_tokens": 0, "output_tokens": 0}
    elif script.steering.usage_place is None:
        usage = _before_output(script.usage(_usage(script)))
    else:
        usage = script.usage(_usage(script))
    message = {**_head(script), "content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        message["usage"] = usage
    return sse.named({"type": "message_start", "message": message}, usage)


def _before_output(usage: Json) -> Json:
    """Return ``usage`` as known before the output: one output token where it ends with more."""
    try:
        fields = msgspec.json.decode(msgspec.json.encode(usage), type=dict[str, Raw])
        if msgspec.json.decode(fields.get("output_tokens", b"0"), type=int) > 1:
            return {**fields, "output_tokens": 1}
    except msgspec.DecodeError:
        return usage  # absurd on purpose: it goes out as it is
    return usage


def _message_delta(script: Script) -> Piece:
    payload: dict[str, Json] = {"type": "message_delta", "delta": _ending(script)}
    usage = None
    if script.steering.usage_place is not UsagePlace.TOP:
        usage = script.usage({"output_tokens": script.answer.output_tokens})
    if usage is not None:
        payload["usage"] = usage
    return sse.named(payload, usage)


def _head(script: Script) -> dict[str, Json]:
    answer = script.answer
    return {"id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": answer.model}


def _ending(script: Script) -> dict[str, Json]:
    return {
        "stop_reason": script.steering.finish_reason or _FINISH[script.answer.finish],
        "stop_sequence": script.answer.stop_sequence,
    }


def _blocks(script: Script) -> Iterator[_Block]:
    answer = script.answer
    if answer.reasoning:
        opening: dict[str, Json] = {"type": "thinking", "thinking": "", "signature": ""}
        content: dict[str, Json] = {
            "type": "thinking",
            "thinking": answer.reasoning,
            "signature": _SIGNATURE,
        }
        yield _Block(content, opening, "thinking_delta", "thinking", answer.reasoning)
    if answer.text or not answer.tool_calls:
        content = {"type": "text", "text": answer.text}
        yield _Block(content, {**content, "text": ""}, "text_delta", "text", answer.text)
    for index, call in enumerate(answer.tool_calls):
        opening = {
            "type": "tool_use",
            "id": f"toolu_{answer.id}{index}",
            "name": call.name,
            "input": {},
        }
        content = {**opening, "input": _input(call)}
        yield _Block(content, opening, "input_json_delta", "partial_json", call.arguments)


def _input(call: ToolCall) -> Json:
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return call.arguments


def _usage(script: Script) -> dict[str, Json]:
    return {
        "input_tokens": script.answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": script.answer.output_tokens,
        "service_tier": script.steering.tier or "standard",
    }
