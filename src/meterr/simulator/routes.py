"""Which path speaks which dialect, and which surface answers it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from meterr.simulator import anthropic_messages, openai_chat, openai_embeddings, openai_responses
from meterr.simulator.model import Dialect, Piece, Prompt, Whole
from meterr.simulator.reading import Body
from meterr.simulator.script import Script

_PREFIXES = (("/openai/v1/", Dialect.OPENAI), ("/anthropic/v1/", Dialect.ANTHROPIC), ("/v1/", None))


@dataclass(frozen=True, slots=True)
class Surface:
    """How one POST route reads and answers; ``events`` is None where nothing streams."""

    read: Callable[[Body], Prompt]
    whole: Callable[[Script], Whole]
    events: Callable[[Script], Iterator[Piece]] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads. ``tail`` is what follows the version, "" for a foreign path."""

    dialect: Dialect
    tail: str

    @property
    def surface(self) -> Surface | None:
        """Return the POST surface of this place, None when there is none."""
        return _SURFACES.get((self.dialect, self.tail))

    @property
    def model(self) -> str | None:
        """Return the name in ``models/{id}``, "" for the list, None for any other place."""
        head, _, name = self.tail.partition("/")
        return name if head == "models" else None


_SURFACES: Mapping[tuple[Dialect, str], Surface] = {
    (Dialect.OPENAI, "chat/completions"): Surface(
        openai_chat.read, openai_chat.whole, openai_chat.events
    ),
    (Dialect.OPENAI, "embeddings"): Surface(openai_embeddings.read, openai_embeddings.whole),
    (Dialect.OPENAI, "responses"): Surface(
        openai_responses.read, openai_responses.whole, openai_responses.events
    ),
    (Dialect.ANTHROPIC, "messages"): Surface(
        anthropic_messages.read, anthropic_messages.whole, anthropic_messages.events
    ),
    (Dialect.ANTHROPIC, "messages/count_tokens"): Surface(
        anthropic_messages.read_count, anthropic_messages.counted
    ),
}


def find(path: str, headers: Mapping[str, str]) -> Place:
    """Return where ``path`` leads; on shared paths ``anthropic-version`` names the family."""
    for prefix, dialect in _PREFIXES:
        if path.startswith(prefix):
            tail = path.removeprefix(prefix)
            return Place(dialect or _family(tail, headers), tail)
    return Place(_family("", headers), "")


def _family(tail: str, headers: Mapping[str, str]) -> Dialect:
    if tail.partition("/")[0] == "messages" or "anthropic-version" in headers:
        return Dialect.ANTHROPIC
    return Dialect.OPENAI
