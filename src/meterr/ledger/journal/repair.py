"""A second form of an entry that PostgreSQL refused: less of its content, all of its call. Pure."""

from decimal import Decimal, InvalidOperation

import msgspec

from meterr.ledger.journal.record import bounded
from meterr.ledger.model import Settled, State, Usage

RECORD_CLEANED = "record-cleaned"  # the entry's ``error`` then: what it says is not all that was
_STATUS_MAX = (1 << 31) - 1
_USD_END = Decimal(10) ** 20  # numeric(38,18)


def cleaned(record: Settled) -> Settled:
    """
    Return ``record`` in a form that any PostgreSQL takes, flagged by its ``error``.

    Who called, when, and what it was asked for stay. Free text keeps what is printable.
    Usage with a count that cannot be is unknown, and so is its cost, or one that cannot be itself.
    """
    usage = record.usage if record.usage is None or _is_storable(record.usage) else None
    is_priced = usage is record.usage and record.state is not State.REFUSED
    cost = record.cost if _is_usd(record.cost) else None
    drawn = record.drawn if _is_usd(record.drawn) else None
    return msgspec.structs.replace(
        record,
        surface=_plain(record.surface),
        upstream=_plain(record.upstream),
        provider=_plain(record.provider),
        model=_plain(record.model),
        answered_model=_plain(record.answered_model),
        outcome=_plain(record.outcome),
        error=RECORD_CLEANED,
        estimate=_plain(record.estimate),
        provider_request_id=_plain(record.provider_request_id),
        usage=usage,
        cost=cost if is_priced else None,
        drawn=drawn or (cost if record.leases else None),  # a lost cost was drawn all the same
        status=min(max(record.status, 0), _STATUS_MAX),
        request_bytes=bounded(record.request_bytes),
        answer_bytes=bounded(record.answer_bytes),
        first_byte_ms=bounded(record.first_byte_ms),
        duration_ms=bounded(record.duration_ms),
    )


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _is_storable(usage: Usage) -> bool:
    counts = (getattr(usage, name) for name in usage.__struct_fields__)
    return all(count == bounded(count) for count in counts)


def _is_usd(amount: str | None) -> bool:
    try:
        return amount is not None and 0 <= Decimal(amount) < _USD_END
    except InvalidOperation:  # no number, or not a number
        return False
