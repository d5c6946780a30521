"""POST responses: the Responses API with its full sequence of events."""

from collections.abc import Iterator
from itertools import count

from meterr.simulator import reading, sse, tokens
from meterr.simulator.model import Finish, Json, Piece, Prompt, Refused, Whole
from meterr.simulator.script import Script

Event = dict[str, Json]
_PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def read(body: reading.Body) -> Prompt:
    """Read a responses request."""
    turns = _turns(body)
    offers = reading.items(body, "tools") if body.get("tools") else []
    return Prompt(
        model=reading.text(body, "model"),
        input_tokens=tokens.count(tokens.text_of(body.get("instructions")), tokens.text_of(turns)),
        question=tokens.text_of(reading.last_of(turns, "user")),
        stream=reading.flag(body, "stream"),
        output_tokens_max=reading.whole_number(body, "max_output_tokens"),
        demanded_tool=reading.demanded(
            [
                reading.tool(offer.get("name"), offer.get("parameters"))
                for offer in offers
                if offer.get("type") == "function"
            ],
            any_tool=body.get("tool_choice") == "required",
            name=reading.nested(body, "tool_choice", "name"),
        ),
        schema=_schema(body),
    )


def _turns(body: reading.Body) -> list[Json]:
    value = body.get("input")
    if isinstance(value, str) and value:
        return [{"role": "user", "content": value}]
    if value is None or isinstance(value, str):
        raise Refused(400, "input: a non-empty string or array is required", param="input")
    return reading.items(body, "input")


def _schema(body: reading.Body) -> Json:
    kind = reading.nested(body, "text", "format", "type")
    if kind == "json_object":
        return {"type": "object", "required": ["answer"]}
    if kind == "json_schema":
        return reading.nested(body, "text", "format", "schema") or {"type": "object"}
    return None


def whole(script: Script) -> Whole:
    """Write the answer as one ``response``."""
    usage = script.usage(_usage(script))
    return Whole(_response(script, _final_status(script), usage), usage)


def events(script: Script) -> Iterator[Piece]:
    """Write the answer as the events of a responses stream, numbered from 0."""
    numbers = count()
    for event in _unnumbered(script):
        yield sse.named({**event, "sequence_number": next(numbers)})
    status = _final_status(script)
    usage = script.usage(_usage(script))
    final = {"type": f"response.{status}", "response": _response(script, status, usage)}
    yield sse.named({**final, "sequence_number": next(numbers)}, usage)


def _unnumbered(script: Script) -> Iterator[Event]:
    opening = _response(script, "in_progress", None)
    yield {"type": "response.created", "response": opening}
    yield {"type": "response.in_progress", "response": opening}
    for index, item in enumerate(_items(script)):
        at: Event = {"output_index": index}
        started = {**item, "status": "in_progress"}
        kind = item["type"]
        if kind == "message":
            started["content"] = []
        elif kind == "reasoning":
            started["summary"] = []
        else:
            started["arguments"] = ""
        yield {"type": "response.output_item.added", "item": started, **at}
        yield from _CONTENT[kind](script, item, {"item_id": item["id"], **at})
        yield {"type": "response.output_item.done", "item": item, **at}


def _message_events(script: Script, item: Json, at: Event) -> Iterator[Event]:
    at = {**at, "content_index": 0}
    part = item["content"][0]
    yield {"type": "response.content_part.added", "part": _PART, **at}
    for piece in script.pieces(part["text"]):
        yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **at}
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **at}
    yield {"type": "response.content_part.done", "part": part, **at}


def _reasoning_events(script: Script, item: Json, at: Event) -> Iterator[Event]:
    at = {**at, "summary_index": 0}
    part = item["summary"][0]
    kind = "response.reasoning_summary"
    yield {"type": f"{kind}_part.added", "part": {**part, "text": ""}, **at}
    for piece in script.pieces(part["text"]):
        yield {"type": f"{kind}_text.delta", "delta": piece, **at}
    yield {"type": f"{kind}_text.done", "text": part["text"], **at}
    yield {"type": f"{kind}_part.done", "part": part, **at}


def _call_events(script: Script, item: Json, at: Event) -> Iterator[Event]:
    kind = "response.function_call_arguments"
    for piece in script.pieces(item["arguments"]):
        yield {"type": f"{kind}.delta", "delta": piece, **at}
    yield {"type": f"{kind}.done", "arguments": item["arguments"], "name": item["name"], **at}


_CONTENT = {
    "message": _message_events,
    "reasoning": _reasoning_events,
    "function_call": _call_events,
}


def _items(script: Script) -> list[dict[str, Json]]:
    answer = script.answer
    items: list[dict[str, Json]] = []
    status = _final_status(script)
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": answer.reasoning}]
        items.append({"id": f"rs_{answer.id}", "type": "reasoning", "summary": summary})
    if answer.text or not answer.tool_calls:
        items.append(
            {
                "id": f"msg_{answer.id}",
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [{**_PART, "text": answer.text}],
            }
        )
    items.extend(
        {
            "id": f"fc_{answer.id}{index}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{answer.id}{index}",
            "name": call.name,
            "arguments": call.arguments,
        }
        for index, call in enumerate(answer.tool_calls)
    )
    return items


def _final_status(script: Script) -> str:
    if script.steering.finish_reason is not None:
        return "incomplete" if script.steering.finish_reason == "length" else "completed"
    return "incomplete" if script.answer.finish is Finish.LENGTH else "completed"


def _response(script: Script, status: str, usage: Json) -> dict[str, Json]:
    answer, body = script.answer, script.body
    over = status != "in_progress"
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": answer.created,
        "completed_at": answer.created if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata", {}),
        "model": answer.model,
        "output": _items(script) if over else [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": script.steering.tier or ("default" if over else "auto"),
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        **({} if over and usage is None else {"usage": usage}),
    }


def _usage(script: Script) -> dict[str, Json]:
    answer = script.answer
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
