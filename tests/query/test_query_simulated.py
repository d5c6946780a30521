"""The simulator as the model: by rule, over a real socket, and honest about what it is."""

import asyncio
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
from language_samples import Shown, usage

from meterr.core.errors import Unavailable
from meterr.query.language import (
    Answered,
    AskedBack,
    Asking,
    Clarified,
    Declined,
    Message,
    Question,
)
from meterr.query.language.gateway_model import GatewayModel
from meterr.query.language.prompt import MARKER
from meterr.query.language.reply import SIMULATOR_SAYS
from meterr.simulator import questions
from support.simulator import KEY, Wire, in_thread

PAGE = Path(__file__).parents[2] / "docs/reference/simulator.md"
DOCUMENTED = dict(re.findall(r"^\| `([^`]+[?a-z])` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
DOCUMENTED = {text: told for text, told in DOCUMENTED.items() if " " in text}
WORDS, CATALOGUE = usage()


class NoDatabase:
    """The statement has passed the guard by now, which is all that is asked here."""

    async def run(self, tenant_id: str, sql: str) -> Shown:
        return Shown()


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with in_thread() as running:
        yield running


def asking(wire: Wire) -> Asking:
    return Asking(GatewayModel(wire.url, KEY, "gpt-5-mini"), NoDatabase())


def question(text: str, clarified: Clarified | None = None) -> Question:
    return Question("t", text, WORDS, CATALOGUE, date(2026, 11, 23), clarified=clarified)


@pytest.mark.parametrize(("text", "told"), DOCUMENTED.items(), ids=DOCUMENTED.keys())
async def test_every_documented_question_ends_as_the_page_says(wire, text: str, told: str) -> None:
    """docs/reference/simulator.md: an intent that compiles and passes the guard, or a refusal."""
    outcome = await asking(wire).ask(question(text))
    if told.startswith("declines"):
        assert isinstance(outcome, Declined)
        assert "not-allowed" == outcome.code
    elif told.startswith("asks back"):
        assert isinstance(outcome, AskedBack)
    else:
        assert isinstance(outcome, Answered)
        for name in re.findall(r"`([\w.]+)`", told):
            assert name.rpartition(".")[2] in outcome.intent


def test_the_page_has_questions() -> None:
    """Without any, the test above would pass."""
    assert 10 <= len(DOCUMENTED)


@pytest.mark.parametrize(
    "text",
    [
        "Cost of gpt-5",
        "Cost by model on Mondays",
        "Cost and calls by model",
        "Cost without tests",
        "",
    ],
)
def test_a_question_that_is_understood_in_part_is_declined(text: str) -> None:
    """A rule that leaves a word out would answer another question."""
    assert '{"decline":"not here"}' in questions.answer(text)


async def test_what_was_asked_back_can_be_said(wire: Wire) -> None:
    """The person's words count after a clarifying question."""
    said = Clarified("Best by cost, by calls or by failure rate?", "by failure rate, per model")
    outcome = await asking(wire).ask(question("Which model is the best?", said))
    assert isinstance(outcome, Answered)
    assert "failure_rate" in outcome.intent


async def test_the_simulator_says_what_it_is(wire: Wire) -> None:
    """Nobody takes a rule for a model: it says so in each answer."""
    model = GatewayModel(wire.url, KEY, "gpt-5-mini")
    text = await model.complete([Message("user", f'{MARKER}\nQuestion: "Cost by model"')])
    assert text.startswith("This is meterr's simulator: a rule wrote this, not a model.")
    assert questions.MARKER == f"{MARKER}\n"


async def test_other_turns_are_answered_as_ever(wire: Wire) -> None:
    """Only a turn that begins with the marker is such a question."""
    model = GatewayModel(wire.url, KEY, "gpt-5-mini")
    assert "You said: hi" == await model.complete([Message("user", "hi")])


async def test_nothing_is_asked_of_a_model_that_some_refuse() -> None:
    """Issue 5.5: no temperature, no forced tools, no JSON-schema mode: model and messages alone."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        heard.append(await reader.readexactly(int(length[1]) if length else 0))
        body = b'{"choices":[{"message":{"content":"yes"}}]}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        model = GatewayModel(f"http://127.0.0.1:{port}", KEY, "kimi-k2.6")
        assert "yes" == await model.complete([Message("user", "hi")])
    assert {"model": "kimi-k2.6", "messages": [{"role": "user", "content": "hi"}]} == (
        msgspec.json.decode(heard[0])
    )


async def test_a_model_that_does_not_answer_is_unavailable(wire: Wire) -> None:
    """Wrong credential, wrong path, nobody there: one error, without the key in it."""
    for url, key in ((wire.url, ""), (f"{wire.url}/nowhere", KEY), ("http://127.0.0.1:1", KEY)):
        model = GatewayModel(url, key, "gpt-5-mini", timeout_s=5)
        with pytest.raises(Unavailable) as caught:
            await model.complete([Message("user", "hi")])
        assert KEY not in f"{caught.value.detail}{caught.value.private}{model!r}"


@pytest.mark.parametrize("url", ["http://example.org", "http://10.0.0.1", "ftp://127.0.0.1", "x"])
def test_a_key_is_sent_in_the_clear_to_this_machine_only(url: str) -> None:
    """P6: a gateway elsewhere is asked over https."""
    with pytest.raises(ValueError, match="https"):
        GatewayModel(url, KEY, "gpt-5-mini")


async def test_what_the_simulator_answers_is_marked(wire) -> None:
    """Issue 5.8: it says that it is a simulator, and whoever reads the answer hears it."""
    assert SIMULATOR_SAYS == questions.SAYS
    for text in ("Cost by model", "Which model is the best?", "How is the weather?"):
        assert (await asking(wire).ask(question(text))).simulated
