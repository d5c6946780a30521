"""The official anthropic SDK, unmodified: every call works and is in the ledger, exactly."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from support.conversation import Conversation
from support.spent import booked, spent

MODEL = "claude-haiku-4-5"
MESSAGES: Any = [{"role": "user", "content": "How is the weather in Rome?"}]
TOOL: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
# The simulator counts bytes by four; its log keeps the last usage sent: of a stream, the output.
PROMPT = {"input_tokens": 7}
CACHED = {
    "input_tokens": 40,
    "output_tokens": 9,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
}


class Weather(BaseModel):
    """What the structured answers are parsed into."""

    city: str


@pytest.fixture
def client(meterr: Conversation) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=meterr.house.base_url, api_key=meterr.house.key) as sdk:
        yield sdk


def create(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(model=MODEL, max_tokens=100, messages=MESSAGES)
    assert "text" == answer.content[0].type


def create_beta(sdk: anthropic.Anthropic) -> None:
    answer = sdk.beta.messages.create(
        model=MODEL, max_tokens=100, messages=MESSAGES, betas=["context-1m-2025-08-07"]
    )
    assert "text" == answer.content[0].type


def create_stream(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.create(model=MODEL, max_tokens=100, messages=MESSAGES, stream=True) as stream:
        *_, last = stream
    assert "message_stop" == last.type


def stream_helper(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(model=MODEL, max_tokens=100, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith("You said: ")
    assert final.usage.output_tokens > 0


def tools(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=MESSAGES,
        tools=[TOOL],
        tool_choice={"type": "any"},
    )
    assert ["tool_use"] == [block.type for block in answer.content]


def parse(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.parse(
        model=MODEL, max_tokens=1000, messages=MESSAGES, output_format=Weather
    )
    assert isinstance(answer.parsed_output, Weather)


def cached(sdk: anthropic.Anthropic) -> None:
    sdk.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=MESSAGES,
        extra_body={"simulate": {"usage": CACHED}},
    )


def cached_stream(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(
        model=MODEL,
        max_tokens=100,
        messages=MESSAGES,
        extra_body={"simulate": {"usage": CACHED, "usage_place": "both"}},
    ) as stream:
        stream.until_done()


def raw_answer(sdk: anthropic.Anthropic) -> None:
    patient = sdk.with_options(timeout=20, max_retries=0)
    raw = patient.messages.with_raw_response.create(model=MODEL, max_tokens=100, messages=MESSAGES)
    assert raw.headers["x-meterr-cost-usd"]
    assert raw.parse().content


CALLS = [
    create,
    create_beta,
    create_stream,
    stream_helper,
    tools,
    parse,
    cached,
    cached_stream,
    raw_answer,
]


@pytest.mark.parametrize("use", CALLS, ids=lambda use: use.__name__)
def test_a_call_by_the_sdk_has_one_exact_entry(
    meterr: Conversation, client: anthropic.Anthropic, use: Callable[[anthropic.Anthropic], None]
) -> None:
    """P1, P2: what the simulator says it sent is what is booked and priced."""
    before = meterr.call_count()

    use(client)

    (call,) = meterr.calls_after(before)
    entry = meterr.entry(call["caller_id"])
    assert spent(PROMPT | call["usage"]) == booked(entry) != {}
    assert ("settled", "complete", "anthropic.messages", "") == (
        entry["state"],
        entry["outcome"],
        entry["surface"],
        entry["estimate"],
    )
    assert meterr.recomputed(entry) == entry["cost_usd"] > 0


def test_counting_tokens_has_an_entry_that_costs_nothing(
    meterr: Conversation, client: anthropic.Anthropic
) -> None:
    """Counting is free at the provider, but a call is a call."""
    before = meterr.call_count()
    assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0
    (call,) = meterr.calls_after(before)
    entry = meterr.entry(call["caller_id"])
    assert ("settled", {}, None) == (entry["state"], booked(entry), entry["cost_usd"] or None)


async def test_the_asynchronous_client_streams_at_once(meterr: Conversation) -> None:
    """P2: interleaved streams, each with an entry of its own."""
    before = meterr.call_count()
    async with anthropic.AsyncAnthropic(
        base_url=f"{meterr.house.base_url}/", api_key=meterr.house.key
    ) as sdk:

        async def streamed(text: str) -> str:
            async with sdk.messages.stream(
                model=MODEL, max_tokens=100, messages=[{"role": "user", "content": text}]
            ) as stream:
                return await stream.get_final_text()

        texts = await asyncio.gather(*(streamed(f"number {n}") for n in range(8)))

    assert [f"You said: number {n}" for n in range(8)] == texts
    calls = meterr.calls_after(before)
    assert [spent({"input_tokens": 2} | call["usage"]) for call in calls] == [
        booked(meterr.entry(call["caller_id"])) for call in calls
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (anthropic.BadRequestError, 400),
        (anthropic.PermissionDeniedError, 403),
        (anthropic.RateLimitError, 429),
        (anthropic.InternalServerError, 529),
    ],
)
def test_the_sdk_raises_its_own_exception_for_the_providers_errors(
    client: anthropic.Anthropic, error: type[Exception], status: int
) -> None:
    """4.2, 8: errors before the answer come as status, in the dialect that the SDK reads."""
    with pytest.raises(error):
        client.with_options(max_retries=0).messages.create(
            model=MODEL,
            max_tokens=100,
            messages=MESSAGES,
            extra_body={"simulate": {"status": status}},
        )


def test_the_sdk_raises_when_a_stream_is_cut(client: anthropic.Anthropic) -> None:
    """4.2, 8: an error event inside the stream, never a silent end."""
    with (
        pytest.raises(anthropic.APIStatusError, match="broke off"),
        client.messages.stream(
            model=MODEL,
            max_tokens=100,
            messages=MESSAGES,
            extra_body={"simulate": {"cut_after": 3}},
        ) as stream,
    ):
        stream.until_done()


def test_a_key_as_bearer_token_works_for_this_family_too(meterr: Conversation) -> None:
    """4.2, 1: both ways to send the key, on every route; and the other way round for OpenAI's."""
    with anthropic.Anthropic(base_url=meterr.house.base_url, auth_token=meterr.house.key) as sdk:
        assert sdk.messages.create(model=MODEL, max_tokens=100, messages=MESSAGES).content
