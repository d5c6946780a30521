"""What the simulated model says: a pure rule from the prompt and the steering to the answer."""

import msgspec

from meterr.simulator import questions, tokens
from meterr.simulator.model import Answer, Finish, Prompt, Refused, Tool, ToolCall
from meterr.simulator.specimen import specimen
from meterr.simulator.steering import Steering

_BROKEN_SCHEMA = (TypeError, ValueError, AttributeError, KeyError, IndexError)


def compose(prompt: Prompt, steering: Steering, *, answer_id: str, created: int) -> Answer:
    """
    Return the answer to ``prompt``: the same prompt and steering always say the same.

    A steered text is sent whole; only the simulator's own text obeys the output limit and the
    stop sequences.

    Raises:
        Refused: 400, a schema of the request cannot be read.
    """
    calls = _tool_calls(prompt, steering)
    text, finish, stop = _text(prompt, steering, calls)
    reasoning = steering.reasoning or ""
    reasoning_tokens = tokens.count(reasoning)
    arguments = "".join(call.name + call.arguments for call in calls)
    return Answer(
        id=answer_id,
        created=created,
        model=steering.model if steering.model is not None else prompt.model,
        text=text,
        reasoning=reasoning,
        tool_calls=calls,
        finish=finish,
        stop_sequence=stop,
        input_tokens=prompt.input_tokens,
        output_tokens=prompt.n * (reasoning_tokens + tokens.count(text, arguments)),
        reasoning_tokens=prompt.n * reasoning_tokens,
    )


def _tool_calls(prompt: Prompt, steering: Steering) -> tuple[ToolCall, ...]:
    if steering.tool_calls:
        return tuple(
            ToolCall(
                call.name,
                call.arguments if isinstance(call.arguments, str) else _compact(call.arguments),
            )
            for call in steering.tool_calls
        )
    if prompt.demanded_tool is None:
        return ()
    return (_demanded(prompt.demanded_tool),)


def _demanded(tool: Tool) -> ToolCall:
    arguments = _specimen(tool.schema) if tool.schema is not None else {}
    return ToolCall(tool.name, _compact(arguments))


def _text(
    prompt: Prompt, steering: Steering, calls: tuple[ToolCall, ...]
) -> tuple[str, Finish, str | None]:
    if calls:
        return steering.text or "", Finish.TOOL, None
    if steering.text is not None:
        return steering.text, Finish.STOP, None
    if prompt.schema is not None:
        return _compact(_specimen(prompt.schema)), Finish.STOP, None
    question = questions.asked(prompt.question)
    if question is not None:
        return _bounded(questions.answer(question), prompt)
    return _bounded(f"You said: {prompt.question}", prompt)


def _bounded(text: str, prompt: Prompt) -> tuple[str, Finish, str | None]:
    found = [(text.index(stop), stop) for stop in prompt.stops if stop and stop in text]
    stop = None
    if found:
        at, stop = min(found)
        text = text[:at]
    if prompt.output_tokens_max is not None and tokens.count(text) > prompt.output_tokens_max:
        return tokens.first(text, prompt.output_tokens_max), Finish.LENGTH, None
    return text, Finish.STOP_SEQUENCE if stop else Finish.STOP, stop


def _specimen(schema: object) -> object:
    try:
        return specimen(schema)
    except _BROKEN_SCHEMA:
        raise Refused(
            400, "Invalid schema: it is not a JSON schema.", code="invalid_schema"
        ) from None


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()
