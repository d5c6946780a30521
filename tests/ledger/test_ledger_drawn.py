"""What a call draws from its budgets: its cost where that is exact, else all it had reserved."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.ledger.drawn import Known, beside, drawn

FRACTION, RESERVED, BEYOND = Decimal("0.01"), Decimal("0.24"), Decimal("0.3")
amounts = st.decimals(0, 10, places=18)


@pytest.mark.parametrize(
    ("known", "cost", "usd"),
    [
        (Known.NOTHING_USED, Decimal(0), Decimal(0)),
        (Known.NOTHING_USED, None, Decimal(0)),
        (Known.REPORTED, FRACTION, FRACTION),
        (Known.REPORTED, BEYOND, BEYOND),
        (Known.REPORTED, Decimal(0), Decimal(0)),
        (Known.REPORTED, None, RESERVED),
        (Known.IN_PART, FRACTION, RESERVED),
        (Known.IN_PART, BEYOND, BEYOND),
        (Known.IN_PART, Decimal(0), RESERVED),
        (Known.IN_PART, None, RESERVED),
        (Known.PROCESS_DIED, FRACTION, FRACTION),
        (Known.PROCESS_DIED, BEYOND, BEYOND),
        (Known.PROCESS_DIED, None, RESERVED),
    ],
)
def test_the_rule_of_what_is_drawn(known: Known, cost: Decimal | None, usd: Decimal) -> None:
    """P3: what may be billed is drawn, up to what was reserved and whatever is known beyond it."""
    assert usd == drawn(known, cost, RESERVED)


@given(st.sampled_from(Known), st.none() | amounts, amounts)
def test_never_less_is_drawn_than_is_known_to_be_owed(
    known: Known, cost: Decimal | None, reserved: Decimal
) -> None:
    """P3: by whatever way a call ends."""
    usd = drawn(known, cost, reserved)
    assert known is Known.NOTHING_USED or usd >= (reserved if cost is None else cost)
    assert known is not Known.IN_PART or usd >= reserved


@given(st.none() | amounts, amounts)
def test_an_entry_says_it_only_where_its_cost_does_not(cost: Decimal | None, usd: Decimal) -> None:
    """P7: what is not said is what the cost says, and no place is lost on the wire."""
    said = beside(cost, usd)
    assert usd == ((cost or 0) if said is None else Decimal(said))
    assert (said is None) == (usd == (cost or 0))
