"""What a statement may read: relations with their columns, and where bare names are looked up."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

# Arrays of PostgreSQL's own values by the name that format_type gives them, without a length.
_VALUE_ARRAYS: Final = frozenset(
    f"{each}[]"
    for each in (
        "text", "character varying", "character", "boolean", "smallint", "integer", "bigint",
        "numeric", "real", "double precision", "uuid", "date", "timestamp with time zone",
        "timestamp without time zone", "interval", "json", "jsonb", "inet",
    )
)  # fmt: skip
_LENGTH: Final = re.compile(r"\([0-9,]+\)")


class Column(msgspec.Struct, frozen=True):
    """
    A column as the server has it. ``shared`` False: it exists, and nobody may name it.

    ``type`` is as format_type writes it; empty where it is not known.
    """

    name: str
    shared: bool = True
    type: str = ""

    @property
    def holds_values(self) -> bool:
        """Return whether it is an array whose elements have no columns of their own."""
        return _LENGTH.sub("", self.type) in _VALUE_ARRAYS


class Relation(msgspec.Struct, frozen=True):
    """
    A table or view with every column it has on the server, in the server's order.

    Columns that must not be read are listed too, with ``shared=False``: a relation that has more
    columns than its list would let ``select *`` and lists of column aliases reach them.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def shared(self) -> tuple[str, ...]:
        """Return the names that may be read."""
        return tuple(column.name for column in self.columns if column.shared)

    @property
    def value_arrays(self) -> frozenset[str]:
        """Return the names of arrays whose elements are plain values."""
        return frozenset(column.name for column in self.columns if column.holds_values)

    @property
    def hidden(self) -> frozenset[str]:
        """Return the names that may not."""
        return frozenset(column.name for column in self.columns if not column.shared)


class Catalogue:
    """
    The relations that one identity may read.

    ``search_path`` says where a name without a schema is looked up, first match wins; the session
    that runs the statement must have the same path, with ``pg_catalog`` before it, and nobody but
    the owner of these schemas may create anything in them.
    Names are as the server stores them: ``Orders`` is found only by ``"Orders"``.
    """

    def __init__(
        self, relations: Iterable[Relation], search_path: tuple[str, ...] = ("public",)
    ) -> None:
        """Raises ``ValueError`` when a relation or one of its columns is named twice."""
        found: dict[tuple[str, str], Relation] = {}
        for relation in relations:
            key = (relation.schema, relation.name)
            names = [column.name for column in relation.columns]
            if key in found or len(set(names)) < len(names):
                raise ValueError(f"{'.'.join(key)} or one of its columns is named twice")
            found[key] = relation
        self.relations: Mapping[tuple[str, str], Relation] = MappingProxyType(found)
        self.search_path = search_path

    def find(self, schema: str | None, name: str) -> Relation | None:
        """Return the relation that the server would take, or None when it is not in here."""
        if schema is not None:
            return self.relations.get((schema, name))
        if name.startswith("pg_"):  # the server looks into pg_catalog first, whatever we list
            return None
        for each in self.search_path:
            if (relation := self.relations.get((each, name))) is not None:
                return relation
        return None

    def names(self) -> list[str]:
        """Return every relation as a statement would name it, sorted."""
        return sorted(
            name if self.find(None, name) is relation else f"{schema}.{name}"
            for (schema, name), relation in self.relations.items()
        )
