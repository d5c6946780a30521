"""The official openai SDK's Responses API against the simulator."""

from typing import Any

import openai
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseStreamEvent,
)
from pydantic import BaseModel, TypeAdapter

from support.simulator import Wire

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"days": {"type": "integer", "minimum": 3}},
        "required": ["days"],
        "additionalProperties": False,
    },
}


class City(BaseModel):
    name: str
    people: int


def test_create_answers_with_text_and_usage(openai_sdk: openai.OpenAI) -> None:
    """Usage counts the instructions too; the cache_write detail that the spec requires is there."""
    answer = openai_sdk.responses.create(model="m", input="hello", instructions="be kind")

    assert "You said: hello" == answer.output_text
    assert answer.usage is not None
    assert (3, 4, 7) == (
        answer.usage.input_tokens,
        answer.usage.output_tokens,
        answer.usage.total_tokens,
    )
    assert 0 == answer.usage.input_tokens_details.cache_write_tokens


def test_an_answer_and_its_events_are_valid_by_the_sdks_own_types(wire: Wire) -> None:
    """The SDK does not validate what it reads, so the strict types do it here."""
    steering = {"reasoning": "hmm", "text": "ok", "tool_calls": [{"name": "f"}]}
    body = {"model": "m", "input": "hello", "simulate": steering}
    answer = wire.openai("responses", body)
    events = wire.events_of(wire.openai("responses", {**body, "stream": True}))

    assert 3 == len(Response.model_validate(answer.json()).output)
    kinds = [TypeAdapter(ResponseStreamEvent).validate_python(event).type for event in events]
    assert "response.completed" == kinds[-1]


def test_a_list_of_turns_is_read_to_the_last_user_turn(openai_sdk: openai.OpenAI) -> None:
    """Typed content parts and plain strings."""
    answer = openai_sdk.responses.create(
        model="m",
        input=[
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "ok"},
            {"role": "user", "content": [{"type": "input_text", "text": "second"}]},
        ],
    )

    assert "You said: second" == answer.output_text


def test_an_output_limit_makes_the_response_incomplete(openai_sdk: openai.OpenAI) -> None:
    """Status, reason and final event say so."""
    answer = openai_sdk.responses.create(model="m", input="hello", max_output_tokens=2)
    events = list(
        openai_sdk.responses.create(model="m", input="hello", max_output_tokens=2, stream=True)
    )

    assert ("incomplete", "You said") == (answer.status, answer.output_text)
    assert answer.incomplete_details is not None
    assert "max_output_tokens" == answer.incomplete_details.reason
    assert "response.incomplete" == events[-1].type


def test_the_raw_stream_has_the_full_sequence_of_numbered_events(
    openai_sdk: openai.OpenAI,
) -> None:
    """Issue item 7: the event order of the real API."""
    events = list(openai_sdk.responses.create(model="m", input="hello", stream=True))

    kinds = list(dict.fromkeys(event.type for event in events))
    assert [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ] == kinds
    assert list(range(len(events))) == [event.sequence_number for event in events]


def test_the_stream_helper_ends_with_the_whole_response(openai_sdk: openai.OpenAI) -> None:
    """P8: ``client.responses.stream()``."""
    with openai_sdk.responses.stream(model="m", input="hello") as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()

    assert "You said: hello" == text == final.output_text
    assert final.usage is not None


def test_the_stream_helper_parses(openai_sdk: openai.OpenAI) -> None:
    """P8: ``text_format`` with a pydantic model, streamed."""
    with openai_sdk.responses.stream(model="m", input="hello", text_format=City) as stream:
        final = stream.get_final_response()

    assert City(name="simulated", people=0) == final.output_parsed


def test_parse_returns_the_pydantic_model(openai_sdk: openai.OpenAI) -> None:
    """P8: ``client.responses.parse``."""
    answer = openai_sdk.responses.parse(model="m", input="hello", text_format=City)

    assert City(name="simulated", people=0) == answer.output_parsed


def test_a_demanded_function_is_called(openai_sdk: openai.OpenAI) -> None:
    """Function calls in Responses, whole and streamed alike."""
    arguments: Any = {"model": "m", "input": "hello", "tools": [WEATHER], "tool_choice": "required"}
    answer = openai_sdk.responses.create(**arguments)
    with openai_sdk.responses.stream(**arguments) as stream:
        streamed = stream.get_final_response()

    for response in (answer, streamed):
        (call,) = response.output
        assert isinstance(call, ResponseFunctionToolCall)
        assert ("get_weather", '{"days":3}') == (call.name, call.arguments)


def test_reasoning_comes_as_an_item_before_the_message(openai_sdk: openai.OpenAI) -> None:
    """Steering ``reasoning``; its tokens are part of the output."""
    steering = {"simulate": '{"reasoning": "let me think", "text": "done"}'}
    with openai_sdk.responses.stream(model="m", input="hello", metadata=steering) as stream:
        thought = [e.delta for e in stream if e.type == "response.reasoning_summary_text.delta"]
        final = stream.get_final_response()

    reasoning, message = final.output
    assert isinstance(reasoning, ResponseReasoningItem)
    assert isinstance(message, ResponseOutputMessage)
    assert "let me think" == "".join(thought) == reasoning.summary[0].text
    assert final.usage is not None
    assert (4, 3) == (
        final.usage.output_tokens,
        final.usage.output_tokens_details.reasoning_tokens,
    )
