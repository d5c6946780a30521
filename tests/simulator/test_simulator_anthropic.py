"""The official anthropic SDK, unmodified, against the simulator's Anthropic side."""

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent, ThinkingBlock, ToolUseBlock
from pydantic import BaseModel, TypeAdapter

from support.simulator import KEY, Wire

HELLO: Any = [{"role": "user", "content": "hello there"}]
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 12}},
        "required": ["city"],
    },
}


class City(BaseModel):
    name: str
    people: int


class TestMessages:
    def test_an_answer_repeats_the_question_and_reports_a_computable_usage(
        self, anthropic_sdk: anthropic.Anthropic
    ) -> None:
        """Issue item 7: input counts system and messages, ceil(bytes / 4)."""
        answer = anthropic_sdk.messages.create(
            model="m", max_tokens=100, messages=HELLO, system="be kind"
        )

        (block,) = answer.content
        assert block.type == "text"
        assert "You said: hello there" == block.text
        assert ("end_turn", 5, 6) == (
            answer.stop_reason,
            answer.usage.input_tokens,
            answer.usage.output_tokens,
        )

    def test_the_shape_is_valid_by_the_sdks_own_types(self, wire: Wire) -> None:
        """The SDK does not validate what it reads, so the strict type does it here."""
        steering = {"reasoning": "hmm", "text": "ok", "tool_calls": [{"name": "f"}]}
        body = {"model": "m", "max_tokens": 9, "messages": HELLO, "simulate": steering}
        answer = wire.anthropic("messages", body)
        events = wire.events_of(wire.anthropic("messages", {**body, "stream": True}))

        assert 3 == len(Message.model_validate(answer.json()).content)
        known = TypeAdapter(RawMessageStreamEvent)
        kinds = [known.validate_python(e).type for e in events if e["type"] != "ping"]
        assert "message_stop" == kinds[-1]

    def test_the_output_limit_and_stop_sequences_are_kept(
        self, anthropic_sdk: anthropic.Anthropic
    ) -> None:
        """Both stop reasons, and which sequence it was."""
        limited = anthropic_sdk.messages.create(model="m", max_tokens=2, messages=HELLO)
        stopped = anthropic_sdk.messages.create(
            model="m", max_tokens=100, messages=HELLO, stop_sequences=[" there", "hello"]
        )

        assert "max_tokens" == limited.stop_reason
        assert ("stop_sequence", "hello") == (stopped.stop_reason, stopped.stop_sequence)

    @pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages"])
    def test_the_version_header_is_required(self, wire: Wire, path: str) -> None:
        """400 in Anthropic's shape."""
        body = {"model": "m", "max_tokens": 9, "messages": HELLO}
        answer = wire.send("POST", path, body, {"x-api-key": KEY})

        assert 400 == answer.status
        assert "invalid_request_error" == answer.json()["error"]["type"]
        assert answer.headers["request-id"] == answer.json()["request_id"]

    def test_a_missing_key_is_401_in_anthropics_shape(self, wire: Wire) -> None:
        """Issue item 7: credentials in the provider's own style."""
        answer = wire.send("POST", "/v1/messages", {}, {"anthropic-version": "2023-06-01"})

        assert (401, "authentication_error") == (answer.status, answer.json()["error"]["type"])

    @pytest.mark.parametrize(
        "header", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}], ids=["key", "bearer"]
    )
    def test_the_key_is_taken_from_either_header(self, wire: Wire, header: dict[str, str]) -> None:
        """The API's own header, and the one that the pinned SDK puts its api_key into."""
        headers = {"anthropic-version": "2023-06-01", **header}
        body = {"model": "m", "max_tokens": 9, "messages": HELLO}

        assert 200 == wire.send("POST", "/v1/messages", body, headers).status

    def test_moonshots_side_answers_the_sdk(self, wire: Wire) -> None:
        """metering 4.4: the same surface under /anthropic."""
        with anthropic.Anthropic(base_url=f"{wire.url}/anthropic", auth_token=KEY) as client:
            answer = client.messages.create(model="m", max_tokens=9, messages=HELLO)

        assert "message" == answer.type

    def test_max_tokens_is_required(self, wire: Wire) -> None:
        """As the real API answers."""
        answer = wire.anthropic("messages", {"model": "m", "messages": HELLO})

        assert (400, "max_tokens: Field required") == (
            answer.status,
            answer.json()["error"]["message"],
        )

    def test_parse_returns_the_pydantic_model(self, anthropic_sdk: anthropic.Anthropic) -> None:
        """P8: ``messages.parse`` with an output format."""
        answer = anthropic_sdk.messages.parse(
            model="m", max_tokens=99, messages=HELLO, output_format=City
        )

        assert City(name="simulated", people=0) == answer.parsed_output


class TestMessageStreams:
    def test_the_events_come_in_order_with_usage_at_both_ends(
        self, anthropic_sdk: anthropic.Anthropic
    ) -> None:
        """metering 4.5: message_start has the input, message_delta is cumulative."""
        events = list(
            anthropic_sdk.messages.create(model="m", max_tokens=100, messages=HELLO, stream=True)
        )

        kinds = list(dict.fromkeys(event.type for event in events))
        assert [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ] == kinds
        start, delta = events[0], events[-2]
        assert start.type == "message_start"
        assert delta.type == "message_delta"
        assert (3, 1) == (start.message.usage.input_tokens, start.message.usage.output_tokens)
        assert 6 == delta.usage.output_tokens

    def test_a_ping_is_sent(self, wire: Wire) -> None:
        """The SDK hides it, other clients stumble over it."""
        body = {"model": "m", "max_tokens": 9, "messages": HELLO, "stream": True}

        assert b'event: ping\ndata: {"type":"ping"}\n\n' in wire.anthropic("messages", body).body

    def test_the_stream_helper_puts_the_message_together(
        self, anthropic_sdk: anthropic.Anthropic
    ) -> None:
        """P8: ``messages.stream()`` of the official SDK."""
        with anthropic_sdk.messages.stream(model="m", max_tokens=100, messages=HELLO) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()

        assert "You said: hello there" == text
        assert (3, 6) == (final.usage.input_tokens, final.usage.output_tokens)

    def test_a_demanded_tool_streams_its_input(self, anthropic_sdk: anthropic.Anthropic) -> None:
        """input_json_delta, joined and parsed by the helper."""
        with anthropic_sdk.messages.stream(
            model="m", max_tokens=100, messages=HELLO, tools=[WEATHER], tool_choice={"type": "any"}
        ) as stream:
            pieces = [event for event in stream if event.type == "input_json"]
            final = stream.get_final_message()

        (block,) = final.content
        assert isinstance(block, ToolUseBlock)
        assert len(pieces) > 1
        assert ("tool_use", {"city": "simulated..."}) == (final.stop_reason, block.input)

    def test_thinking_comes_as_a_signed_block_before_the_text(
        self, anthropic_sdk: anthropic.Anthropic
    ) -> None:
        """Steering ``reasoning`` in Anthropic's form."""
        metadata: Any = {"simulate": {"reasoning": "let me think", "text": "done"}}
        with anthropic_sdk.messages.stream(
            model="m", max_tokens=100, messages=HELLO, metadata=metadata
        ) as stream:
            final = stream.get_final_message()

        thinking, text = final.content
        assert isinstance(thinking, ThinkingBlock)
        assert ("let me think", True) == (thinking.thinking, bool(thinking.signature))
        assert text.type == "text"
        assert "done" == text.text


def test_a_named_tool_is_called(anthropic_sdk: anthropic.Anthropic) -> None:
    """tool_choice with a name, unstreamed."""
    answer = anthropic_sdk.messages.create(
        model="m",
        max_tokens=100,
        messages=HELLO,
        tools=[{"name": "other", "input_schema": {"type": "object"}}, WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
    )

    (block,) = answer.content
    assert isinstance(block, ToolUseBlock)
    assert "get_weather" == block.name


def test_count_tokens_agrees_with_the_message(anthropic_sdk: anthropic.Anthropic) -> None:
    """Issue item 6: messages/count_tokens."""
    counted = anthropic_sdk.messages.count_tokens(model="m", messages=HELLO, system="be kind")

    assert 5 == counted.input_tokens


def test_models_list_and_retrieve_in_anthropics_shape(
    anthropic_sdk: anthropic.Anthropic,
) -> None:
    """console 4.2: the shared path chooses its shape by the anthropic-version header."""
    names = [model.id for model in anthropic_sdk.models.list()]

    assert "claude-sonnet-4-5" in names
    assert "claude-sonnet-4-5" == anthropic_sdk.models.retrieve("claude-sonnet-4-5").display_name
    with pytest.raises(anthropic.NotFoundError):
        anthropic_sdk.models.retrieve("nonesuch")


def test_a_steered_usage_without_output_at_the_start_is_whole_at_the_end(wire: Wire) -> None:
    """A stream that is cut early has not reported the output it did not produce."""
    usage = {"input_tokens": 7, "cache_read_input_tokens": 5, "output_tokens": 90}
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": HELLO,
        "stream": True,
        "metadata": {"simulate": {"usage": usage}},
    }
    events = [
        json.loads(line[6:])
        for line in wire.anthropic("messages", body).body.splitlines()
        if line.startswith(b"data: ")
    ]

    assert {**usage, "output_tokens": 1} == events[0]["message"]["usage"]
    assert usage == events[-2]["usage"]
