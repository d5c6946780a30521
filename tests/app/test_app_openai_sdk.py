"""The official openai SDK, unmodified: every call works and is in the ledger, once and exactly."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from support.conversation import Conversation
from support.spent import booked, spent

CHAT_MODEL = "gpt-4o-mini"
MESSAGES: Any = [{"role": "user", "content": "How is the weather in Rome?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
RESPONSES_TOOL: Any = {"type": "function", "strict": False, **TOOL["function"]}


class Weather(BaseModel):
    """What the structured answers are parsed into."""

    city: str
    degrees: int


@pytest.fixture
def client(meterr: Conversation) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{meterr.house.base_url}/v1", api_key=meterr.house.key) as sdk:
        yield sdk


def chat(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES)
    assert (answer.choices[0].message.content or "").startswith("You said: ")
    assert answer.usage is not None


def chat_stream(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).startswith("You said")


def chat_stream_with_usage(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.create(
        model=CHAT_MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *_, last = stream
    assert [] == last.choices
    assert last.usage is not None


def chat_stream_helper(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model=CHAT_MODEL, messages=MESSAGES) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert (final.choices[0].message.content or "").startswith("You said: ")


def chat_tools(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model=CHAT_MODEL, messages=MESSAGES, tools=[TOOL], tool_choice="required"
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert "weather" == call.function.name


def chat_parse(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.parse(
        model=CHAT_MODEL, messages=MESSAGES, response_format=Weather
    )
    assert isinstance(answer.choices[0].message.parsed, Weather)


def embeddings(sdk: openai.OpenAI) -> None:
    # Without an encoding_format the SDK asks for base64 and decodes it.
    answer = sdk.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [1536, 1536] == [len(each.embedding) for each in answer.data]


def embeddings_as_floats(sdk: openai.OpenAI) -> None:
    answer = sdk.embeddings.create(
        model="text-embedding-3-small", input="one", encoding_format="float"
    )
    assert isinstance(answer.data[0].embedding[0], float)


def responses(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model=CHAT_MODEL, input="How is the weather in Rome?")
    assert answer.output_text.startswith("You said: ")


def responses_stream(sdk: openai.OpenAI) -> None:
    with sdk.responses.create(model=CHAT_MODEL, input="hi", stream=True) as stream:
        *_, last = stream
    assert "response.completed" == last.type


def responses_stream_helper(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model=CHAT_MODEL, input="hi", text_format=Weather) as stream:
        stream.until_done()
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Weather)


def responses_parse(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.parse(model=CHAT_MODEL, input="hi", text_format=Weather)
    assert isinstance(answer.output_parsed, Weather)


def responses_tools(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(
        model=CHAT_MODEL, input="hi", tools=[RESPONSES_TOOL], tool_choice="required"
    )
    assert ["function_call"] == [item.type for item in answer.output]


def raw_answer(sdk: openai.OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(model=CHAT_MODEL, messages=MESSAGES)
    assert raw.headers["x-meterr-request-id"]
    assert raw.parse().choices


def short_timeout(sdk: openai.OpenAI) -> None:
    patient = sdk.with_options(timeout=20, max_retries=0)
    assert patient.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES).choices


CALLS = [
    chat,
    chat_stream,
    chat_stream_with_usage,
    chat_stream_helper,
    chat_tools,
    chat_parse,
    embeddings,
    embeddings_as_floats,
    responses,
    responses_stream,
    responses_stream_helper,
    responses_parse,
    responses_tools,
    raw_answer,
    short_timeout,
]


@pytest.mark.parametrize("use", CALLS, ids=lambda use: use.__name__)
def test_a_call_by_the_sdk_has_one_exact_entry(
    meterr: Conversation, client: openai.OpenAI, use: Callable[[openai.OpenAI], None]
) -> None:
    """P1, P2: what the simulator says it sent is what is booked and priced, on every endpoint."""
    before = meterr.call_count()

    use(client)

    (call,) = meterr.calls_after(before)
    entry = meterr.entry(call["caller_id"])
    assert spent(call["usage"]) == booked(entry) != {}
    assert ("settled", "complete", 200, "") == (
        entry["state"],
        entry["outcome"],
        entry["status"],
        entry["estimate"],
    )
    assert meterr.recomputed(entry) == entry["cost_usd"] > 0


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_base_url_may_end_with_a_slash(meterr: Conversation, ending: str) -> None:
    """People paste both."""
    base_url = f"{meterr.house.base_url}/v1{ending}"
    with openai.OpenAI(base_url=base_url, api_key=meterr.house.key) as sdk:
        assert sdk.chat.completions.create(model=CHAT_MODEL, messages=MESSAGES).choices


async def test_the_asynchronous_client_streams_and_calls_at_once(meterr: Conversation) -> None:
    """P2: interleaved calls of one client, each with an entry of its own."""
    before = meterr.call_count()
    base_url = f"{meterr.house.base_url}/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key=meterr.house.key) as sdk:

        async def streamed(text: str) -> str:
            async with sdk.chat.completions.stream(
                model=CHAT_MODEL, messages=[{"role": "user", "content": text}]
            ) as stream:
                return (await stream.get_final_completion()).choices[0].message.content or ""

        texts = await asyncio.gather(*(streamed(f"number {n}") for n in range(8)))

    assert [f"You said: number {n}" for n in range(8)] == texts
    calls = meterr.calls_after(before)
    assert [spent(call["usage"]) for call in calls] == [
        booked(meterr.entry(call["caller_id"])) for call in calls
    ]
    assert 8 == len({call["caller_id"] for call in calls})


@pytest.mark.parametrize(
    ("error", "simulate"),
    [
        (openai.BadRequestError, {"status": 400}),
        (openai.PermissionDeniedError, {"status": 403}),
        (openai.RateLimitError, {"status": 429}),
        (openai.InternalServerError, {"status": 500}),
    ],
)
def test_the_sdk_raises_its_own_exception_for_the_providers_errors(
    meterr: Conversation, client: openai.OpenAI, error: type[Exception], simulate: Any
) -> None:
    """4.2, 8: errors before the answer come as status, in the dialect that the SDK reads."""
    before = meterr.call_count()
    with pytest.raises(error):
        client.with_options(max_retries=0).chat.completions.create(
            model=CHAT_MODEL, messages=MESSAGES, extra_body={"simulate": simulate}
        )
    (call,) = meterr.calls_after(before)
    entry = meterr.entry(call["caller_id"])
    assert (simulate["status"], "upstream_error", 0, {}) == (
        entry["status"],
        entry["outcome"],
        entry["cost_usd"],
        booked(entry),
    )


def test_the_sdk_raises_when_a_stream_is_cut(client: openai.OpenAI) -> None:
    """4.2, 8: an error event inside the stream, never a silent end."""
    stream = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=MESSAGES,
        stream=True,
        extra_body={"simulate": {"cut_after": 2}},
    )
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)
