"""Plausibility: what a provider cannot truthfully have reported."""

import pytest

from meterr.ledger import implausibility_of
from meterr.ledger.model import Usage
from meterr.ledger.plausibility import COUNT_MAX, Implausible


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (0, None),
        (COUNT_MAX, None),
        (COUNT_MAX + 1, Implausible.ABSURD),
        (10**400, Implausible.ABSURD),
        (-1, Implausible.NEGATIVE),
        (1.0, Implausible.NOT_AN_INTEGER),
        (True, Implausible.NOT_AN_INTEGER),
        ("1", Implausible.NOT_AN_INTEGER),
        (None, Implausible.NOT_AN_INTEGER),
    ],
)
@pytest.mark.parametrize("name", Usage.__struct_fields__)
def test_each_count_is_an_integer_within_bounds(
    name: str, count: object, problem: Implausible | None
) -> None:
    """Issue 2, bad input: upstream usage negative or absurd is not believed, in any class."""
    assert problem == implausibility_of(Usage(**{name: count}))
