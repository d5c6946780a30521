"""Frozen types of the walls: a tenant's login, the mode, what a hardening found."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

from meterr.core.crypto import Place, SealedColumn

PASSWORD: Final = SealedColumn(table="query_role", column="password", keys=("role_name",))

READER: Final = "meterr_reader"
LOGINS_OF_A_TENANT_MAX: Final = 8
"""CONNECTION LIMIT of a tenant's login, over all processes."""


class Mode(StrEnum):
    """How far the database itself keeps tenants apart; docs/explanation/query-walls.md."""

    A = "A"  # a login for each tenant, and nothing to call that does more than compute
    B = "B"  # a login for each tenant
    C = "C"  # one login for all, and a signed token that says whose session it is
    NONE = "none"  # nothing is set up: nobody can ask


@dataclass(frozen=True, slots=True)
class Login:
    """A login to the database for one tenant's questions."""

    role_name: str
    password: SecretStr = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that questions could do all the same: how often, and some of it by name."""

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hardening:
    """
    What was, or would be, changed, and what the server says remains possible afterwards.

    ``statements`` is empty when all is in place already.
    """

    statements: tuple[str, ...]
    remaining: tuple[Finding, ...]
    mode: Mode


def place_of(tenant_id: str, role_name: str) -> Place:
    """Return where the sealed password of a login stands."""
    return Place(tenant_id, PASSWORD.table, PASSWORD.column, (role_name,))


def mode_of(*, has_logins: bool, has_token_login: bool, remaining: tuple[Finding, ...]) -> Mode:
    """Decide the mode that questions run in: a login for all is used wherever it is set."""
    if has_token_login:
        return Mode.C
    if has_logins:
        return Mode.B if remaining else Mode.A
    return Mode.NONE


def findings(found: list[tuple[str, str]], examples_max: int = 5) -> tuple[Finding, ...]:
    """Gather (kind, name) pairs by kind, in their order."""
    names: dict[str, list[str]] = {}
    for kind, name in found:
        names.setdefault(kind, []).append(name)
    return tuple(
        Finding(kind, len(each), tuple(each[:examples_max])) for kind, each in names.items()
    )
