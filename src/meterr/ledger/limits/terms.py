"""The terms of a new limit: what is asked for, checked before anything is written. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from meterr.core.errors import Invalid
from meterr.core.limits import Holder, Measure, Span
from meterr.core.money import wire
from meterr.core.nearest import nearest
from meterr.ledger.limits.model import NewLimit

Word = TypeVar("Word", bound=StrEnum)

USD_MAX: Final = Decimal(10) ** 12
COUNT_MAX: Final = Decimal(10) ** 15
SUBJECT_CHARS_MAX: Final = 100
PATTERN_CHARS_MAX: Final = 128  # as the patterns of keys
NEGATIVE: Final = "amount must not be negative; the least is 0."
_PLAIN_USD = re.compile(r"[0-9]{1,13}(\.[0-9]{1,18})?")
_WHOLE = re.compile(r"[0-9]{1,16}")

_SPANS: Final[Mapping[Measure, tuple[Span, ...]]] = {
    Measure.USD: (Span.DAY, Span.WEEK, Span.MONTH, Span.TOTAL),
    Measure.REQUESTS: (Span.MINUTE,),
    Measure.TOKENS: (Span.MINUTE,),
    Measure.CONCURRENCY: (Span.CALL,),
}


def checked(new: NewLimit) -> NewLimit:
    """
    Return ``new`` in canonical form.

    Raises ``Invalid`` naming the field: an amount that is negative, no number, too precise or too
    large; a span that the measure does not have; a subject that does not fit its holder; a model
    pattern with other specials than ``*`` and ``?``.
    """
    measure = _word(Measure, new.measure, "measure")
    holder = _word(Holder, new.holder, "holder")
    span = _word(Span, new.span, "span")
    if span not in _SPANS[measure]:
        raise Invalid(
            f"A limit of {measure} counts per {' or '.join(_SPANS[measure])}, not per {span}.",
            param="span",
        )
    return msgspec.structs.replace(
        new,
        measure=measure,
        holder=holder,
        span=span,
        amount=wire(checked_amount(measure, new.amount)),
        subject=_checked_subject(holder, new.subject),
        model=_checked_model(new.model),
    )


def checked_amount(measure: Measure, text: str) -> Decimal:
    """Return the amount that ``text`` says, or raise ``Invalid``."""
    if text.startswith("-"):
        raise Invalid(NEGATIVE, param="amount")
    if measure is Measure.USD:
        if not _PLAIN_USD.fullmatch(text) or Decimal(text) > USD_MAX:
            raise Invalid(
                f"amount must be US dollars as a plain decimal from 0 to {USD_MAX:,} with at most"
                " 18 decimals, such as 5 or 0.50.",
                param="amount",
            )
    elif not _WHOLE.fullmatch(text) or Decimal(text) > COUNT_MAX:
        raise Invalid(
            f"amount must be a whole number of {measure} from 0 to {COUNT_MAX:,}.", param="amount"
        )
    return Decimal(text)


def is_uuid(text: str) -> bool:
    """Tell whether ``text`` is a UUID in the canonical form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _word(words: type[Word], name: str, param: str) -> Word:
    try:
        return words(name)
    except ValueError:
        raise Invalid(
            f"Unknown {param} {name[:40]!r}{nearest(name[:40], list(words))}.", param=param
        ) from None


def _checked_subject(holder: Holder, subject: str) -> str:
    if holder is Holder.TENANT:
        if subject:
            raise Invalid("A limit of the tenant has no subject.", param="subject")
        return ""
    if holder is Holder.KEY and not is_uuid(subject):
        raise Invalid("subject must be the id of a key.", param="subject")
    if not 1 <= len(subject.strip()) <= SUBJECT_CHARS_MAX or not subject.isprintable():
        raise Invalid(
            f"subject needs 1 to {SUBJECT_CHARS_MAX} printable characters.", param="subject"
        )
    return subject.strip().lower() if holder is Holder.KEY else subject.strip()


def _checked_model(pattern: str) -> str:
    if len(pattern) > PATTERN_CHARS_MAX:
        raise Invalid(f"A model pattern has at most {PATTERN_CHARS_MAX} characters.", param="model")
    if not pattern.isprintable() or " " in pattern or "[" in pattern:
        raise Invalid(
            "The model pattern has spaces, control characters or a '['; only * and ? are special.",
            param="model",
        )
    return pattern
