"""When a second factor must be given, when one must be made, and when the last one stays. Pure."""

from collections.abc import Collection
from enum import StrEnum

from meterr.core.policy import Role
from meterr.core.policy.verdict import must_have_factor
from meterr.identity.factors.errors import LastFactor
from meterr.identity.factors.model import Enrolled


class Demand(StrEnum):
    """What is still missing after a right password."""

    NOTHING = "nothing"
    GIVE = "give"  # one of the factors that the person has
    ENROL = "enrol"  # a first factor: nothing else is open to this session until there is one


def demand(roles: Collection[Role], enrolled: Enrolled) -> Demand:
    """
    Return what a person with ``roles`` owes after the password.

    Whoever has a factor gives it. Admins and super_admins without one make one first.
    """
    if enrolled.any:
        return Demand.GIVE
    if must_have_factor(frozenset(roles)) or enrolled.short_password:
        return Demand.ENROL
    return Demand.NOTHING


def check_factor_stays(roles: Collection[Role], enrolled: Enrolled, *, left: int) -> None:
    """Raise LastFactor when ``left`` factors are too few for the roles or for a short password."""
    if left == 0 and (must_have_factor(frozenset(roles)) or enrolled.short_password):
        raise LastFactor
