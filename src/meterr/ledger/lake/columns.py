"""What an exported entry is made of: names, kinds, meanings. Pure, and without a file format."""

from enum import StrEnum
from typing import NamedTuple

from meterr.ledger.model import Usage

# Raised when a column changes its name, kind or meaning; a column that is added does not raise it.
SCHEMA_VERSION = 1
SORTED_BY = ("tenant_id", "id")


class Kind(StrEnum):
    """What a column holds; each file format has one type for each."""

    TEXT = "text"  # nearly every value is another one
    WORD = "word"  # text of which few values are different: worth a dictionary
    COUNT = "count"  # >= 0, 64 bits
    FLAG = "flag"
    MONEY = "money"  # US dollars with all 18 places
    MOMENT = "moment"  # microseconds, UTC


class Column(NamedTuple):
    """One column; ``meaning`` travels with the file."""

    name: str
    kind: Kind
    meaning: str
    optional: bool = False


_USAGE = {
    "input": "Prompt tokens that are in none of the other prompt classes.",
    "cache_read": "Prompt tokens read from a cache.",
    "cache_write_5m": "Prompt tokens written to a cache kept for 5 minutes.",
    "cache_write_30m": "Prompt tokens written to a cache kept for 30 minutes.",
    "cache_write_1h": "Prompt tokens written to a cache kept for 1 hour.",
    "cache_write_12h": "Prompt tokens written to a cache kept for 12 hours.",
    "input_audio": "Prompt tokens of audio.",
    "input_image": "Prompt tokens of images.",
    "output": "Answer tokens, reasoning included, in none of the other answer classes.",
    "output_audio": "Answer tokens of audio.",
    "output_image": "Answer tokens of images.",
    "reasoning": "The part of output spent on thinking; not to be added to it.",
    "web_search": "Searches by the provider's own tool.",
    "web_fetch": "Fetches by the provider's own tool.",
}

# In the order of the statement that reads them; a test compares the two.
COLUMNS = (
    Column("tenant_id", Kind.WORD, "Tenant, a UUID."),
    Column("id", Kind.TEXT, "The call, a UUIDv7: its first 48 bits are the time in milliseconds."),
    Column("at", Kind.MOMENT, "When the call began: the time inside id."),
    Column("key_id", Kind.WORD, "API key, a UUID."),
    Column("surface", Kind.WORD, "Client protocol and endpoint, such as openai.chat."),
    Column("upstream", Kind.WORD, "Upstream by its name in the configuration."),
    Column("provider", Kind.WORD, "Provider that sends the bill."),
    Column("model", Kind.WORD, "Model as the caller asked for it."),
    Column("answered_model", Kind.WORD, "Model as the provider named it; empty: it did not."),
    Column("price_id", Kind.WORD, "Price version; none when no price is known.", optional=True),
    Column("state", Kind.WORD, "settled, interrupted or refused."),
    Column("stream", Kind.FLAG, "Whether the answer was streamed."),
    Column("status", Kind.COUNT, "HTTP status sent to the caller."),
    Column("outcome", Kind.WORD, "How the call ended."),
    Column("error", Kind.WORD, "Error code; empty for none."),
    Column("estimate", Kind.WORD, "Method when the usage is an estimate; empty: it is reported."),
    Column("usage_known", Kind.FLAG, "Whether the counts below say anything."),
    *(Column(name, Kind.COUNT, _USAGE[name]) for name in Usage.__struct_fields__),
    Column("cost_usd", Kind.MONEY, "Exact cost in US dollars; none: unknown.", optional=True),
    Column("request_bytes", Kind.COUNT, "Bytes of the request's body."),
    Column("answer_bytes", Kind.COUNT, "Bytes of the answer's body."),
    Column("first_byte_ms", Kind.COUNT, "Milliseconds until the provider's first byte."),
    Column("duration_ms", Kind.COUNT, "Milliseconds until the end of the answer."),
    Column("provider_request_id", Kind.TEXT, "The provider's own id of the call."),
    Column(
        "drawn_usd",
        Kind.MONEY,
        "What each budget that held the call was drawn by, in US dollars; none: cost_usd.",
        optional=True,
    ),
)
