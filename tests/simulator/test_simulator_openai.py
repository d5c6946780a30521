"""The official openai SDK, unmodified, against the simulator's OpenAI side."""

import base64
import math
import struct
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, Field

from support.simulator import KEY, Wire

HELLO: Any = [{"role": "user", "content": "hello there"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
        },
    },
}


class Step(BaseModel):
    title: str
    minutes: int = Field(gt=0)
    level: Literal["easy", "hard"]
    after: "Step | None"


class Recipe(BaseModel):
    name: str
    steps: list[Step] = Field(min_length=1)
    vegan: bool


class TestChat:
    def test_an_answer_repeats_the_question_and_reports_a_computable_usage(
        self, openai_sdk: openai.OpenAI
    ) -> None:
        """Issue item 7: plausible without steering; ceil(bytes / 4) tokens each way."""
        answer = openai_sdk.chat.completions.create(model="gpt-5-mini", messages=HELLO)

        assert "You said: hello there" == answer.choices[0].message.content
        assert "stop" == answer.choices[0].finish_reason
        assert answer.usage is not None
        assert (3, 6, 9) == (
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
            answer.usage.total_tokens,
        )

    def test_the_shapes_are_valid_by_the_sdks_own_types(self, wire: Wire) -> None:
        """The SDK does not validate what it reads, so the strict types do it here."""
        steering = {"reasoning": "hmm", "text": "ok", "tool_calls": [{"name": "f"}]}
        body = {"model": "m", "messages": HELLO, "simulate": steering}
        answer = wire.openai("chat/completions", body)
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        events = wire.events_of(wire.openai("chat/completions", asked))

        assert "ok" == ChatCompletion.model_validate(answer.json()).choices[0].message.content
        assert ChatCompletionChunk.model_validate(events[-1]).usage is not None
        assert all(ChatCompletionChunk.model_validate(event).id for event in events)

    def test_n_choices_are_answered_and_billed(self, openai_sdk: openai.OpenAI) -> None:
        """Each choice is output."""
        answer = openai_sdk.chat.completions.create(model="m", messages=HELLO, n=3)

        assert [0, 1, 2] == [choice.index for choice in answer.choices]
        assert answer.usage is not None
        assert 3 * 6 == answer.usage.completion_tokens

    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    def test_the_output_limit_cuts_the_answer(self, openai_sdk: openai.OpenAI, limit: str) -> None:
        """A limit of 2 tokens leaves 8 bytes and says why."""
        arguments: Any = {limit: 2}
        answer = openai_sdk.chat.completions.create(model="m", messages=HELLO, **arguments)

        assert ("You said", "length") == (
            answer.choices[0].message.content,
            answer.choices[0].finish_reason,
        )
        assert answer.usage is not None
        assert 2 == answer.usage.completion_tokens

    def test_a_stop_sequence_ends_the_answer_before_it(self, openai_sdk: openai.OpenAI) -> None:
        """The stop text itself is not sent."""
        answer = openai_sdk.chat.completions.create(model="m", messages=HELLO, stop=[" there"])

        assert "You said: hello" == answer.choices[0].message.content

    def test_the_openai_prefix_answers_the_same(self, wire: Wire) -> None:
        """Issue item 7: paths under /v1 and /openai/v1."""
        with openai.OpenAI(base_url=f"{wire.url}/openai/v1", api_key=KEY) as client:
            answer = client.chat.completions.create(model="m", messages=HELLO)

        assert "You said: hello there" == answer.choices[0].message.content

    async def test_the_async_client_works_too(self, wire: Wire) -> None:
        """P8."""
        async with openai.AsyncOpenAI(base_url=f"{wire.url}/v1", api_key=KEY) as client:
            answer = await client.chat.completions.create(model="m", messages=HELLO)

        assert "You said: hello there" == answer.choices[0].message.content

    def test_a_missing_credential_is_401_in_openais_shape(self, wire: Wire) -> None:
        """Issue item 7: credentials in the provider's own style."""
        answer = wire.send("POST", "/v1/chat/completions", {"model": "m", "messages": HELLO})

        assert 401 == answer.status
        assert "invalid_request_error" == answer.json()["error"]["type"]

    def test_an_unreadable_request_is_400_with_the_field(self, openai_sdk: openai.OpenAI) -> None:
        """Bad input has a clear answer in the caller's dialect."""
        with pytest.raises(openai.BadRequestError) as caught:
            openai_sdk.chat.completions.create(model="m", messages=[])

        assert "messages" == caught.value.param


class TestChatStreams:
    def test_usage_comes_only_when_asked_for(self, openai_sdk: openai.OpenAI) -> None:
        """metering 4.3: one extra chunk with empty choices; usage null in the others."""
        plain = list(openai_sdk.chat.completions.create(model="m", messages=HELLO, stream=True))
        asked = list(
            openai_sdk.chat.completions.create(
                model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )

        assert not any("usage" in chunk.to_dict() for chunk in plain)
        assert all(chunk.to_dict()["usage"] is None for chunk in asked[:-1])
        assert asked[-1].choices == []
        assert asked[-1].usage is not None
        assert 9 == asked[-1].usage.total_tokens

    def test_the_stream_helper_puts_the_answer_together(self, openai_sdk: openai.OpenAI) -> None:
        """P8: ``.stream()`` of the official SDK."""
        with openai_sdk.chat.completions.stream(model="m", messages=HELLO, n=2) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()

        assert "You said: hello there" * 2 == "".join(deltas)
        assert ["You said: hello there"] * 2 == [c.message.content for c in final.choices]

    def test_the_stream_helper_parses_a_structured_answer(self, openai_sdk: openai.OpenAI) -> None:
        """P8: ``response_format`` with a pydantic model, streamed."""
        with openai_sdk.chat.completions.stream(
            model="m", messages=HELLO, response_format=Recipe
        ) as stream:
            final = stream.get_final_completion()

        assert isinstance(final.choices[0].message.parsed, Recipe)


class TestTools:
    @pytest.mark.parametrize(
        "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
    )
    def test_a_demanded_tool_is_called_with_fitting_arguments(
        self, openai_sdk: openai.OpenAI, choice: Any
    ) -> None:
        """Issue item 7: minimal arguments that satisfy the tool's schema."""
        answer = openai_sdk.chat.completions.create(
            model="m", messages=HELLO, tools=[WEATHER], tool_choice=choice
        )

        (call,) = answer.choices[0].message.tool_calls or []
        assert "tool_calls" == answer.choices[0].finish_reason
        assert call.type == "function"
        assert '{"city":"simulated","unit":"celsius"}' == call.function.arguments

    def test_a_streamed_call_arrives_in_pieces_and_whole(self, openai_sdk: openai.OpenAI) -> None:
        """The helper joins the argument deltas."""
        with openai_sdk.chat.completions.stream(
            model="m", messages=HELLO, tools=[WEATHER], tool_choice="required"
        ) as stream:
            pieces = [e for e in stream if e.type == "tool_calls.function.arguments.delta"]
            final = stream.get_final_completion()

        (call,) = final.choices[0].message.tool_calls or []
        assert len(pieces) > 1
        assert '{"city":"simulated","unit":"celsius"}' == call.function.arguments

    def test_offered_tools_that_nobody_demands_are_not_called(
        self, openai_sdk: openai.OpenAI
    ) -> None:
        """tool_choice auto: the simulator prefers to talk."""
        answer = openai_sdk.chat.completions.create(model="m", messages=HELLO, tools=[WEATHER])

        assert answer.choices[0].message.tool_calls is None

    def test_demanding_a_tool_that_was_not_offered_is_refused(
        self, openai_sdk: openai.OpenAI
    ) -> None:
        """The provider refuses it too."""
        with pytest.raises(openai.BadRequestError, match="no tool is called 'other'"):
            openai_sdk.chat.completions.create(
                model="m",
                messages=HELLO,
                tools=[WEATHER],
                tool_choice={"type": "function", "function": {"name": "other"}},
            )


def test_parse_returns_the_pydantic_model(openai_sdk: openai.OpenAI) -> None:
    """P8: ``client.chat.completions.parse``; nested, recursive and bounded schema."""
    answer = openai_sdk.chat.completions.parse(model="m", messages=HELLO, response_format=Recipe)

    recipe = answer.choices[0].message.parsed
    assert recipe is not None
    assert recipe.steps[0].after is None


class TestEmbeddings:
    def test_the_sdks_default_and_floats_are_the_same_unit_vector(
        self, openai_sdk: openai.OpenAI
    ) -> None:
        """The SDK asks for base64 by default and decodes it."""
        packed = openai_sdk.embeddings.create(model="m", input="a cat", dimensions=64)
        floats = openai_sdk.embeddings.create(
            model="m", input="a cat", dimensions=64, encoding_format="float"
        )

        assert packed.data[0].embedding == floats.data[0].embedding
        assert 64 == len(packed.data[0].embedding)
        assert math.isclose(1, math.hypot(*packed.data[0].embedding), rel_tol=1e-5)

    def test_base64_is_little_endian_float32(self, wire: Wire) -> None:
        """What every client that decodes by itself expects."""
        body = {"model": "m", "input": "a cat", "dimensions": 3}
        floats = wire.openai("embeddings", body).json()["data"][0]["embedding"]
        text = wire.openai("embeddings", {**body, "encoding_format": "base64"}).json()["data"][0]

        assert tuple(floats) == struct.unpack("<3f", base64.b64decode(text["embedding"]))

    def test_every_input_has_its_vector_and_its_tokens(self, openai_sdk: openai.OpenAI) -> None:
        """Token arrays count exactly as many tokens as they hold."""
        texts = openai_sdk.embeddings.create(model="m", input=["one", "another"], dimensions=8)
        tokens = openai_sdk.embeddings.create(model="m", input=[[1, 2, 3], [4]], dimensions=8)

        assert [0, 1] == [item.index for item in texts.data]
        assert texts.data[0].embedding != texts.data[1].embedding
        assert (3, 4) == (texts.usage.prompt_tokens, tokens.usage.prompt_tokens)


class TestModels:
    def test_list_and_retrieve(self, openai_sdk: openai.OpenAI) -> None:
        """Issue item 6: the caller's own shape."""
        names = [model.id for model in openai_sdk.models.list()]

        assert "gpt-5-mini" in names
        assert "gpt-5-mini" == openai_sdk.models.retrieve("gpt-5-mini").id

    def test_an_unknown_model_is_404(self, openai_sdk: openai.OpenAI) -> None:
        """In OpenAI's words."""
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            openai_sdk.models.retrieve("nonesuch")

    def test_an_unknown_path_is_404_in_shape(self, openai_sdk: openai.OpenAI) -> None:
        """In OpenAI's words."""
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            openai_sdk.files.list()
