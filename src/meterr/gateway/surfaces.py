"""The client protocols: which paths exist, what they need, and how each spells an error."""

from dataclasses import dataclass
from enum import StrEnum

from meterr.core.principal import Scope


class Family(StrEnum):
    """A dialect: how keys, errors and streams look."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class Surface:
    """
    One metered endpoint.

    ``upstream_path`` is appended to the upstream's base URL of the same family. ``name`` is what
    the ledger and the extractors call it. A surface that is not ``billed`` costs nothing.
    ``output_field`` bounds the tokens of an answer. What it ``tells_searches`` of is in its usage.
    """

    name: str
    family: Family
    path: str
    upstream_path: bytes
    scope: Scope
    billed: bool = True
    streams: bool = True
    tells_searches: bool = True
    output_field: str = ""


CHAT = Surface(
    "openai.chat",
    Family.OPENAI,
    "/v1/chat/completions",
    b"/chat/completions",
    Scope.CHAT,
    output_field="max_tokens",
    tells_searches=False,
)
EMBEDDINGS = Surface(
    "openai.embeddings",
    Family.OPENAI,
    "/v1/embeddings",
    b"/embeddings",
    Scope.EMBEDDINGS,
    streams=False,
)
RESPONSES = Surface(
    "openai.responses",
    Family.OPENAI,
    "/v1/responses",
    b"/responses",
    Scope.CHAT,
    output_field="max_output_tokens",
)
MESSAGES = Surface(
    "anthropic.messages",
    Family.ANTHROPIC,
    "/v1/messages",
    b"/v1/messages",
    Scope.CHAT,
    output_field="max_tokens",
)
COUNT_TOKENS = Surface(
    "anthropic.count_tokens",
    Family.ANTHROPIC,
    "/v1/messages/count_tokens",
    b"/v1/messages/count_tokens",
    Scope.CHAT,
    billed=False,
    streams=False,
)

SURFACES = (CHAT, EMBEDDINGS, RESPONSES, MESSAGES, COUNT_TOKENS)


def family_of(path: str, headers: list[tuple[bytes, bytes]]) -> Family:
    """
    Say which family a caller belongs to when the path alone does not.

    Anthropic's clients always send ``anthropic-version``; nobody else does.
    """
    if path.startswith("/v1/messages"):
        return Family.ANTHROPIC
    for name, _ in headers:
        if name == b"anthropic-version":
            return Family.ANTHROPIC
    return Family.OPENAI
