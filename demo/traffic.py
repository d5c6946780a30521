"""Calls that an application would make, through the official SDKs, which know nothing of meterr."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from demo.running import DemoFailed

CHAT, CLAUDE, KIMI, EMBEDDING = "gpt-5.4", "claude-sonnet-5", "kimi-k2.6", "text-embedding-3-small"
UNKNOWN = "gpt-nobody-made"
_SAYING: Any = [{"role": "user", "content": "How exact is your bill?"}]
_WEATHER: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_KIMI_USAGE = {"prompt_tokens": 10_000, "completion_tokens": 100, "cached_tokens": 8_000}
_WRONG_KEY = "sk-meterr_live_" + "0" * 32
_COST = "x-meterr-cost-usd"
_LATER = "in the ledger"  # a stream's head leaves before its cost is known


@dataclass(frozen=True, slots=True)
class Clients:
    """Both SDKs as an application sets them up: base URL and key, nothing else."""

    url: str
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back, in words, and the cost in USD if it was said."""

    said: str
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One call and how to tell it."""

    sdk: str
    what: str
    model: str
    make: Callable[[Clients], Outcome]


@contextmanager
def opened(url: str, key: str) -> Iterator[Clients]:
    """Yield both SDKs' clients; no retries, so that one call here is one call there."""
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as one,
        anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as other,
    ):
        yield Clients(url, one, other)


def simulate(**steering: Any) -> dict[str, str]:
    """Return metadata that steers the simulator."""
    return {"simulate": json.dumps(steering)}


def _chat(clients: Clients) -> Outcome:
    raw = clients.openai.chat.completions.with_raw_response.create(model=CHAT, messages=_SAYING)
    text = raw.parse().choices[0].message.content or ""
    return Outcome(f'"{text}"', raw.headers[_COST])


def _chat_stream(clients: Clients) -> Outcome:
    with clients.openai.chat.completions.create(model=CHAT, messages=_SAYING, stream=True) as parts:
        texts = [part.choices[0].delta.content for part in parts if part.choices]
    pieces = [text for text in texts if text]
    return Outcome(f"{len(pieces)} pieces of text", _LATER)


def _tools(clients: Clients) -> Outcome:
    raw = clients.openai.chat.completions.with_raw_response.create(
        model=CHAT,
        messages=_SAYING,
        tools=[{"type": "function", "function": {"name": "weather", "parameters": _WEATHER}}],
        metadata=simulate(tool_calls=[{"name": "weather", "arguments": {"city": "Wien"}}]),
    )
    calls = raw.parse().choices[0].message.tool_calls or []
    functions = [call.function for call in calls if call.type == "function"]
    said = ", ".join(f"{each.name}({each.arguments})" for each in functions)
    return Outcome(said, raw.headers[_COST])


def _embeddings(clients: Clients) -> Outcome:
    raw = clients.openai.embeddings.with_raw_response.create(
        model=EMBEDDING, input=["exactly twelve tokens of text, forty-eight letters"[:48]]
    )
    answer = raw.parse()
    said = f"{answer.usage.prompt_tokens} tokens, {len(answer.data[0].embedding)} dimensions"
    return Outcome(said, raw.headers[_COST])


def _responses(clients: Clients) -> Outcome:
    raw = clients.openai.responses.with_raw_response.create(model=CHAT, input="Count the cents.")
    return Outcome(f'"{raw.parse().output_text}"', raw.headers[_COST])


def _cached(clients: Clients) -> Outcome:
    raw = clients.openai.chat.completions.with_raw_response.create(
        model=KIMI, messages=_SAYING, metadata=simulate(usage=_KIMI_USAGE)
    )
    said = "10000 in (8000 cached), 100 out"
    return Outcome(said if raw.parse().usage else "no usage", raw.headers[_COST])


def _messages(clients: Clients) -> Outcome:
    raw = clients.anthropic.messages.with_raw_response.create(
        model=CLAUDE, max_tokens=100, messages=_SAYING
    )
    (block,) = raw.parse().content
    return Outcome(f'"{getattr(block, "text", "")}"', raw.headers[_COST])


def _messages_stream(clients: Clients) -> Outcome:
    with clients.anthropic.messages.stream(
        model=CLAUDE, max_tokens=100, messages=_SAYING
    ) as stream:
        text = stream.get_final_text()
    return Outcome(f'"{text}"', _LATER)


def _cut(clients: Clients) -> Outcome:
    pieces = 0
    try:
        with clients.openai.chat.completions.create(
            model=CHAT, messages=_SAYING, stream=True, metadata=simulate(chunks=20, cut_after=8)
        ) as parts:
            for _ in parts:
                pieces += 1
    except openai.APIError as error:
        return Outcome(f"{pieces} events, then {_named(error)}", _LATER)
    raise DemoFailed("it ended as if the provider had not cut it")


def _unknown_model(clients: Clients) -> Outcome:
    try:
        clients.openai.chat.completions.create(model=UNKNOWN, messages=_SAYING)
    except openai.APIStatusError as error:
        return Outcome(f"{error.status_code} {_named(error)}", "refused")
    raise DemoFailed("a model that nobody made was answered")


def _bad_key(clients: Clients) -> Outcome:
    with anthropic.Anthropic(base_url=clients.url, api_key=_WRONG_KEY, max_retries=0) as stranger:
        try:
            stranger.messages.create(model=CLAUDE, max_tokens=100, messages=_SAYING)
        except anthropic.APIStatusError as error:
            return Outcome(f"{error.status_code} {_named(error)}", "refused")
    raise DemoFailed("a key that does not exist was let in")


def _named(error: Exception) -> str:
    """Return the SDK's own class of the error and the code in it: what an application acts on."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__}" + (f" ({code})" if code else "")


STEPS = (
    Step("openai", "chat", CHAT, _chat),
    Step("openai", "chat, streamed", CHAT, _chat_stream),
    Step("openai", "tool call", CHAT, _tools),
    Step("openai", "embeddings", EMBEDDING, _embeddings),
    Step("openai", "responses", CHAT, _responses),
    Step("openai", "chat, prompt cache", KIMI, _cached),
    Step("anthropic", "messages", CLAUDE, _messages),
    Step("anthropic", "messages, streamed", CLAUDE, _messages_stream),
    Step("openai", "cut by the provider", CHAT, _cut),
    Step("openai", "unknown model", UNKNOWN, _unknown_model),
    Step("anthropic", "bad key", CLAUDE, _bad_key),
)
