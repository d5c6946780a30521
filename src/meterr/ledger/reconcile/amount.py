"""Figures as bills write them, read exactly. Pure."""

import re
from decimal import Decimal

from meterr.ledger.reconcile.model import Tolerance

# Far more than any bill holds, and sums of them stay exact in core.money.EXACT (60 digits).
_WHOLE_DIGITS_MAX = 14
_DECIMALS_MAX = 40
_NUMBER = re.compile(r"(-?[0-9]{1,60})(\.[0-9]{1,60})?(?:[eE]([+-]?[0-9]{1,6}))?")
_COUNT = re.compile(r"[0-9]{1,18}")
_PERCENT_MAX = 100


def amount_of(text: str) -> Decimal:
    """
    Return a decimal number, exactly as written; ``1.2e-05`` too, which JSON writers make.

    Raises ValueError, with the reason in words, for what is no number (``NaN``, ``1,5``, ``$3``)
    and for more digits than money has.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no decimal number such as 12.345")
    value = Decimal(text)
    if not value:
        return Decimal(0)  # also 0E-6176, which some encoders write for nothing
    exponent = value.as_tuple().exponent
    if value.adjusted() >= _WHOLE_DIGITS_MAX or not isinstance(exponent, int):
        raise ValueError(f"{text[:40]!r} is larger than any bill")
    if -exponent > _DECIMALS_MAX:
        raise ValueError(f"{text[:40]!r} has more than {_DECIMALS_MAX} decimals")
    return value


def count_of(text: str) -> int:
    """Return a whole number of at least 0; raises ValueError with the reason in words."""
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no whole number of at least 0")
    return int(text)


def tolerance_of(text: str) -> Tolerance:
    """
    Read ``0.01`` (US dollars) or ``0.5%`` (of what was billed).

    Raises ValueError, with the reason in words, for anything else and for more than 100 %.
    """
    percent = text.endswith("%")
    value = amount_of(text.removesuffix("%"))
    if value < 0:
        raise ValueError("a tolerance is at least 0")
    if not percent:
        return Tolerance(usd=value)
    if value > _PERCENT_MAX:
        raise ValueError(f"a tolerance is at most {_PERCENT_MAX}%")
    return Tolerance(percent=value)
