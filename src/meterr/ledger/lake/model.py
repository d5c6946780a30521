"""What the parts of the export say to each other, and what it answers."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from meterr.core.money import wire
from meterr.ledger.lake.days import DayState, Figures

EVERY_TENANT = ""


class Footer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a file says of itself, inside itself: so file and figures can never be two versions.

    ``tenant`` is EVERY_TENANT or the one whose entries these are; ``cost_usd`` an exact decimal.
    """

    schema_version: int
    day: date
    tenant: str
    entries: int
    tokens: int
    cost_usd: str
    exported_at: str

    @classmethod
    def of(cls, version: int, day: date, tenant: str, figures: Figures, at: str) -> "Footer":
        """Return the footer of a file with these figures."""
        cost_usd = wire(figures.cost_usd)
        return cls(version, day, tenant, figures.entries, figures.tokens, cost_usd, at)

    @property
    def figures(self) -> Figures:
        """The figures, to compare with the database's."""
        return Figures(self.entries, self.tokens, Decimal(self.cost_usd))


class Unreadable(Exception):
    """A file is damaged or not an export of this version; the text says which."""


class DayWriter(Protocol):
    """One day's file while it grows."""

    @property
    def figures(self) -> Figures:
        """The figures of what was written so far, taken from the values as the file has them."""

    def write(self, rows: Sequence[bytes]) -> None:
        """Add rows, each a line of CSV as PostgreSQL writes it, in the order of COLUMNS."""

    def close(self, footer: Footer) -> None:
        """Finish the file with what it says of itself."""

    def release(self) -> None:
        """Let go of the file, finished or not; nothing can be written any more."""


class Format(Protocol):
    """
    A file format whose library is an extra of meterr.

    Its module is loaded by name when somebody exports, so that all other commands run without it.
    """

    def create(self, path: Path) -> DayWriter:
        """Begin a new file; raises FileExistsError."""

    def footer(self, path: Path) -> Footer:
        """Return what the file says of itself; raises Unreadable. Costs the same for any size."""

    def recount(self, path: Path) -> Figures:
        """Read all of the file, checksums included, and sum it; raises Unreadable."""


class Wanted(NamedTuple):
    """Which part: UTC days from ``since`` to ``until`` (exclusive), of ``tenants`` by id."""

    since: date
    until: date
    tenants: Sequence[str]
    tenant: str = EVERY_TENANT  # or the only one of ``tenants``


class DayReport(msgspec.Struct, frozen=True):
    """One day: how its file was found, whether it was written now, and its figures."""

    day: date
    state: DayState
    written: bool
    figures: Figures
    file: Path
    detail: str = ""
