"""US dollars: exact Decimals inside, strings on every wire, six places where a person reads."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

SHOWN_PLACES = 6
_SHOWN = Decimal(1).scaleb(-SHOWN_PLACES)

# NUMERIC(38,18): 20 digits before the point and 18 after. An exact product of a token count
# (<= 19 digits) and a rate (<= 12 decimals) never needs rounding within this precision.
EXACT = Context(prec=60)


def wire(amount: Decimal) -> str:
    """Render ``amount`` exactly, without exponent and without trailing zeros (``0.00000024``)."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


def shown(amount: Decimal) -> str:
    """Render ``amount`` rounded half-even to six places, for people; never to be summed again."""
    return format(amount.quantize(_SHOWN, rounding=ROUND_HALF_EVEN, context=EXACT), "f")
