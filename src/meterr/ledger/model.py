"""The ledger's frozen types: token vector, price, and what the journal writes about a call."""

from enum import StrEnum
from operator import attrgetter

import msgspec


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    What one call consumed, in disjoint classes: no token is counted in two priced fields.

    Every count is >= 0. ``reasoning`` is the one exception to disjointness: it is the part of
    ``output`` spent on thinking, kept for insight and never priced by itself. ``web_search`` and
    ``web_fetch`` count requests of server tools, not tokens.
    """

    input: int = 0  # prompt tokens that are in none of the classes below
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_30m: int = 0
    cache_write_1h: int = 0
    cache_write_12h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0  # answer tokens, reasoning included, in none of the classes below
    output_audio: int = 0
    output_image: int = 0
    reasoning: int = 0
    web_search: int = 0
    web_fetch: int = 0

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in, cached ones included."""
        return sum(_prompt_counts(self))

    @property
    def answer_tokens(self) -> int:
        """All tokens that came out."""
        return self.output + self.output_audio + self.output_image


INPUT_CLASSES = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "input_audio",
    "input_image",
)
_prompt_counts = attrgetter(*INPUT_CLASSES)
OUTPUT_CLASSES = ("output", "output_audio", "output_image")
REQUEST_CLASSES = ("web_search", "web_fetch")
PRICED_CLASSES = INPUT_CLASSES + OUTPUT_CLASSES + REQUEST_CLASSES


class Tier(msgspec.Struct, frozen=True):
    """With more than ``above`` prompt tokens the whole call pays ``usd``: a cliff, no staircase."""

    above: int
    usd: str


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The price of a class: ``usd`` per million tokens, or per thousand for REQUEST_CLASSES.

    Decimal strings: exact in JSON, in the journal and in PostgreSQL alike. Tiers rise by ``above``.
    """

    usd: str
    tiers: tuple[Tier, ...] = ()


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One price version: every priced class has its rate, so recomputing needs nothing else.

    ``id`` is a digest of all other fields (``price_book.version_of``): the same terms always have
    the same id, and changed terms never do.
    """

    id: str
    provider: str
    model: str  # the model id that the price source matched
    match: (
        str  # "exact", "pattern" (the source matched by rule, not by the full name) or "override"
    )
    source: str  # "genai-prices 0.2.3" or "override 0199..."
    context: (
        str  # service tier the rates belong to: "standard", "flex", "priority", "batch", "fast"
    )
    rates: dict[str, Rate]


class State(StrEnum):
    """States of a ledger entry. ``opened`` exists only in the journal, never in the database."""

    OPENED = "opened"
    SETTLED = "settled"  # the call ended under our eyes, however it ended
    INTERRUPTED = "interrupted"  # our process died under it; closed at replay by estimate
    REFUSED = "refused"  # it never left for a provider


class Opened(msgspec.Struct, tag="opened", tag_field="kind", omit_defaults=True):
    """Written before a byte leaves for the provider."""

    id: str  # UUIDv7; carries the time of the call
    tenant: str
    key: str
    surface: (
        str  # "openai.chat", "openai.embeddings", "openai.responses", "anthropic.messages", ...
    )
    upstream: str
    provider: str
    model: str  # as the caller asked
    price: str = ""  # price version id; "" when unknown
    stream: bool = False
    request_bytes: int = 0  # of the body; what an estimate starts from
    leases: tuple[int, ...] = ()  # of budgets that the call was reserved from
    reserved: str = ""  # US dollars, from each of these; "" when there are none
    input_max: int = 0  # tokens it was reserved for; no estimate is above them; 0: no bound
    output_max: int = 0


class Progress(msgspec.Struct, tag="progress", tag_field="kind", omit_defaults=True):
    """A stream's state so far, at most once a second: what an interrupted call is priced by."""

    id: str
    usage: Usage | None = None  # last vector that the provider reported
    answer_chars: int = 0  # characters of text relayed since the start


class Settled(msgspec.Struct, tag="settled", tag_field="kind", omit_defaults=True):
    """
    The whole entry; readable without its ``Opened``, so one damaged record never costs another.

    ``cost`` is US dollars as an exact decimal string, or None when no price is known or the call
    was refused. ``estimate`` names the method when ``usage`` is not what the provider reported.
    """

    id: str
    tenant: str
    key: str
    surface: str
    upstream: str
    provider: str
    model: str
    state: State = State.SETTLED
    answered_model: str = ""  # what the provider says it used; "" when it did not say
    price: str = ""
    stream: bool = False
    status: int = 0  # HTTP status sent to the caller
    outcome: str = (
        "complete"  # "complete", "client_gone", "upstream_cut", "upstream_error", "refused", ...
    )
    error: str = ""  # our error code, "" for none
    usage: Usage | None = None
    estimate: str = ""
    cost: str | None = None
    request_bytes: int = 0
    answer_bytes: int = 0
    first_byte_ms: int = 0  # from the upstream, since the call was opened
    duration_ms: int = 0
    provider_request_id: str = ""
    leases: tuple[int, ...] = ()  # of budgets that it drew from
    drawn: str | None = None  # US dollars, from each of these; None: as much as its cost


class PriceDefined(msgspec.Struct, tag="price", tag_field="kind"):
    """Written once per segment before the first record that names the price version."""

    price: Price


Record = Opened | Progress | Settled | PriceDefined
