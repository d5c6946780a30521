"""A settled call as one row of PostgreSQL's COPY text format. Pure."""

from operator import attrgetter

from meterr.core.ids import unix_ms_of
from meterr.ledger.model import Settled, Usage

USAGE_COLUMNS = Usage.__struct_fields__
_counts = attrgetter(*USAGE_COLUMNS)
_NO_COUNTS = "\t".join("0" for _ in USAGE_COLUMNS)
_COUNTS = "\t".join("%d" for _ in USAGE_COLUMNS)
_ROW = "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n"
_TEXT_FIELDS = attrgetter(
    "tenant",
    "key",
    "surface",
    "upstream",
    "provider",
    "model",
    "answered_model",
    "state",
    "outcome",
    "error",
    "estimate",
    "provider_request_id",
    "id",
)
_TABS = 12  # between the texts of a row that needs no escaping
# No PostgreSQL holds NUL in a text, and a provider may send one: it becomes U+FFFD.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\ufffd"})
_NULL = "\\N"

# The order in which copy_row writes; the temporary table of queries.sql has the same.
COLUMNS = (
    "tenant_id", "key_id", "surface", "upstream", "provider", "model", "answered_model", "state",
    "outcome", "error", "estimate", "provider_request_id", "id", "price_id", "at_ms", "cost_usd",
    "stream", "usage_known", *USAGE_COLUMNS, "status", "request_bytes", "answer_bytes",
    "first_byte_ms", "duration_ms", "leases", "drawn_usd",
)  # fmt: skip


def copy_row(entry: Settled) -> str:
    """
    Return ``entry`` as a line in the order of ``COLUMNS``; ``at`` is the time inside its id.

    Raises:
        ValueError: The id holds no time.
    """
    fields = _TEXT_FIELDS(entry)
    texts = "\t".join(fields)
    if (
        texts.count("\t") != _TABS
        or "\\" in texts
        or "\n" in texts
        or "\r" in texts
        or "\0" in texts
    ):
        texts = "\t".join(field.translate(_ESCAPES) for field in fields)
    usage = entry.usage
    return _ROW % (
        texts,
        _nullable(entry.price or None),
        unix_ms_of(entry.id),
        _nullable(entry.cost),
        "t" if entry.stream else "f",
        "f" if usage is None else "t",
        _NO_COUNTS if usage is None else _COUNTS % _counts(usage),
        entry.status,
        entry.request_bytes,
        entry.answer_bytes,
        entry.first_byte_ms,
        entry.duration_ms,
        _array(entry.leases) if entry.leases else _NULL,
        _nullable(entry.drawn),
    )


def _array(numbers: tuple[int, ...]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _nullable(text: str | None) -> str:
    return _NULL if text is None else text.translate(_ESCAPES)
