"""A database of a tenant's own as meterr keeps it, without what would open it."""

import re
from dataclasses import dataclass
from typing import Final

from meterr.core.crypto import Place, SealedColumn
from meterr.core.errors import Invalid
from meterr.query.protection import Shape
from meterr.query.sources.model import USAGE

URL: Final = SealedColumn(table="query_source", column="url", keys=("name",))

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Source:
    """
    A source of a tenant's own, without what would open it.

    ``place`` is host, port and database, for people. ``protected_at_ms`` None: nobody can ask yet.
    ``words`` is what its owner says of the tables: TOML, see ``language.words``.
    """

    name: str
    place: str
    shape: Shape
    words: str
    created_at_ms: int
    created_by: str
    protected_at_ms: int | None
    checked_at_ms: int | None
    holes: int

    def is_still(self, other: "Source") -> bool:
        """Tell whether ``other`` has this one's address: no other is kept without a new time."""
        return (self.name, self.created_at_ms, self.protected_at_ms) == (
            other.name,
            other.created_at_ms,
            other.protected_at_ms,
        )


def checked_name(name: str) -> str:
    """Return the name. Raises Invalid for what is none, and for ``usage``."""
    if _NAME.fullmatch(name) is None or name == USAGE:
        raise Invalid(
            "name: a small letter, then small letters, digits, - and _, at most 63; usage is "
            "meterr's own.",
            param="name",
        )
    return name


def place_of(tenant_id: str, name: str) -> Place:
    """Return where the sealed address of a source stands."""
    return Place(tenant_id, URL.table, URL.column, (name,))
