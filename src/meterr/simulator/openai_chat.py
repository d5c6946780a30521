"""POST chat/completions: OpenAI's shapes, with Kimi's extra places for usage and reasoning."""

from collections.abc import Iterator

from meterr.simulator import reading, sse, tokens
from meterr.simulator.model import Finish, Json, Piece, Prompt, ToolCall, Whole
from meterr.simulator.script import Script
from meterr.simulator.steering import UsagePlace

_FINISH = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL: "tool_calls",
}
_CHOICES_MAX = 128


def read(body: reading.Body) -> Prompt:
    """Read a chat request; raises Refused for what the real API refuses too."""
    messages = reading.items(body, "messages")
    limit = reading.whole_number(body, "max_completion_tokens")
    choice = body.get("tool_choice")
    return Prompt(
        model=reading.text(body, "model"),
        input_tokens=tokens.count(tokens.text_of(messages)),
        question=tokens.text_of(reading.last_of(messages, "user")),
        stream=reading.flag(body, "stream"),
        n=reading.whole_number(body, "n", at_most=_CHOICES_MAX) or 1,
        output_tokens_max=limit or reading.whole_number(body, "max_tokens"),
        stops=reading.strings(body, "stop"),
        demanded_tool=reading.demanded(
            [
                reading.tool(
                    reading.nested(offer, "function", "name"),
                    reading.nested(offer, "function", "parameters"),
                )
                for offer in (reading.items(body, "tools") if body.get("tools") else [])
                if offer.get("type") == "function"
            ],
            any_tool=choice == "required",
            name=reading.nested(body, "tool_choice", "function", "name"),
        ),
        schema=_schema(body),
        include_usage=reading.nested(body, "stream_options", "include_usage") is True,
    )


def _schema(body: reading.Body) -> Json:
    kind = reading.nested(body, "response_format", "type")
    if kind == "json_object":
        return {"type": "object", "required": ["answer"]}
    if kind == "json_schema":
        return reading.nested(body, "response_format", "json_schema", "schema") or {
            "type": "object"
        }
    return None


def whole(script: Script) -> Whole:
    """Write the answer as one ``chat.completion``."""
    usage = script.usage(_usage(script))
    body = _head(script, "chat.completion")
    body["choices"] = [
        {
            "index": index,
            "message": _message(script),
            "logprobs": None,
            "finish_reason": _finish(script),
        }
        for index in range(script.prompt.n)
    ]
    if usage is not None:
        body["usage"] = usage
    return Whole(body, usage)


def events(script: Script) -> Iterator[Piece]:
    """Write the answer as ``chat.completion.chunk`` events, ended by ``[DONE]``."""
    place = script.steering.usage_place or UsagePlace.TOP
    usage = script.usage(_usage(script))
    for index in range(script.prompt.n):
        for delta in _deltas(script):
            yield _chunk(script, [_choice(index, delta)])
        last = _choice(index, {}, _finish(script))
        if usage is not None and place in {UsagePlace.CHOICE, UsagePlace.BOTH}:
            last["usage"] = usage
            yield _chunk(script, [last], carried=usage)
        else:
            yield _chunk(script, [last])
    if script.prompt.include_usage and usage is not None and place is not UsagePlace.CHOICE:
        yield _chunk(script, [], usage, carried=usage)
    yield sse.DONE


def _head(script: Script, kind: str) -> dict[str, Json]:
    answer = script.answer
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": kind,
        "created": answer.created,
        "model": answer.model,
        "service_tier": script.steering.tier or "default",
        "system_fingerprint": "fp_simulator",
    }


def _chunk(
    script: Script, choices: list[Json], usage: Json = None, *, carried: Json = None
) -> Piece:
    payload = _head(script, "chat.completion.chunk")
    payload["choices"] = choices
    if script.prompt.include_usage:
        payload["usage"] = usage
    return sse.unnamed(payload, carried)


def _choice(index: int, delta: Json, finish: str | None = None) -> dict[str, Json]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _deltas(script: Script) -> Iterator[Json]:
    answer = script.answer
    yield {"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None}
    for piece in script.pieces(answer.reasoning):
        yield {"reasoning_content": piece}
    for piece in script.pieces(answer.text):
        yield {"content": piece}
    for index, call in enumerate(answer.tool_calls):
        opening = _call(script, index, call)
        opening["function"]["arguments"] = ""
        yield {"tool_calls": [{"index": index, **opening}]}
        for piece in script.pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _message(script: Script) -> dict[str, Json]:
    answer = script.answer
    message: dict[str, Json] = {
        "role": "assistant",
        "content": answer.text if answer.text or not answer.tool_calls else None,
        "refusal": None,
        "annotations": [],
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [_call(script, i, call) for i, call in enumerate(answer.tool_calls)]
    return message


def _call(script: Script, index: int, call: ToolCall) -> dict[str, Json]:
    return {
        "id": f"call_{script.answer.id}{index}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _finish(script: Script) -> str:
    return script.steering.finish_reason or _FINISH[script.answer.finish]


def _usage(script: Script) -> dict[str, Json]:
    answer = script.answer
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
