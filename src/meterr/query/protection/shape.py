"""What of a database is a tenant's: tables, and the column that tells its rows. Pure."""

import re
from typing import Final

import msgspec

from meterr.core.errors import Invalid

TABLES_MAX: Final = 100
_TABLE: Final = re.compile(r"(?:([^.(),\s]+)\.)?([^.(),\s]+)(?:\(([^()]+)\))?")
_IDENTIFIER_BYTES_MAX: Final = 63
_VALUE_CHARS_MAX: Final = 200


class Table(msgspec.Struct, frozen=True):
    """A table to ask about, as the server stores its name. No ``columns``: all that it has."""

    schema: str
    name: str
    columns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Table":
        """Read ``[schema.]name[(column, column)]``. Raises Invalid."""
        match = _TABLE.fullmatch(text.strip())
        if match is None:
            raise Invalid("table: write schema.table or schema.table(column, ...).", param="table")
        columns = tuple(each.strip() for each in (match[3] or "").split(",")) if match[3] else ()
        names = (match[1] or "public", match[2], *columns)
        if not all(0 < len(name.encode()) <= _IDENTIFIER_BYTES_MAX for name in names):
            raise Invalid("table: names have 1 to 63 bytes.", param="table")
        return cls(names[0], names[1], columns)

    def shown(self) -> str:
        """Return it as ``parse`` reads it."""
        columns = f"({', '.join(self.columns)})" if self.columns else ""
        return f"{self.schema}.{self.name}{columns}"


class Shape(msgspec.Struct, frozen=True):
    """
    What of a database is a tenant's: rows by the value of a column, or all of the tables.

    ``tenant_column`` and ``tenant_value`` are both given or both None: then nobody else's rows are
    in these tables.
    """

    tables: tuple[Table, ...]
    tenant_column: str | None = None
    tenant_value: str | None = None

    def checked(self) -> "Shape":
        """Return this. Raises Invalid for tables named twice or none, and for half a column."""
        names = [(table.schema, table.name) for table in self.tables]
        if not 0 < len(names) <= TABLES_MAX or len(set(names)) < len(names):
            raise Invalid(f"table: 1 to {TABLES_MAX} tables, each once.", param="table")
        if (self.tenant_column is None) != (self.tenant_value is None):
            raise Invalid(
                "tenant_column: give the column and this tenant's value in it, or neither when all "
                "rows are this tenant's.",
                param="tenant_column",
            )
        for text, chars_max in ((self.tenant_column, 63), (self.tenant_value, _VALUE_CHARS_MAX)):
            if text is not None and not (0 < len(text) <= chars_max and text.isprintable()):
                raise Invalid(
                    "tenant_column: column and value are printable and not empty.",
                    param="tenant_column",
                )
        return self
