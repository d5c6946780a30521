"""
Which name means what, in each part of a statement: PostgreSQL's rules, exactly. Pure.

Exactly, because a name that we take for a column and the server does not is a call: ``t.f`` runs
the function ``f`` on a row of ``t`` when ``t`` has no column ``f``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

import msgspec

from meterr.query.refusal import Code, Refused, echo, nearest, refuse

# Columns that every table has beside its own; what a statement itself made has none of them.
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})

# A WITH query by its name: its columns, or None while they are not known yet.
Ctes = Mapping[str, tuple[str, ...] | None]


class Table(msgspec.Struct, frozen=True):
    """
    One entry of FROM under the name by which columns are qualified.

    ``schema`` is set when it may also be written ``schema.name.column``. ``is_value`` marks a
    function that returns one value for each row, whose bare name is that value. ``is_made`` marks
    rows that the statement itself made: a subquery's, with no column but those it names.
    ``value_arrays`` are columns that unnest makes one value of each row of.
    """

    alias: str
    columns: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    schema: str | None = None
    is_value: bool = False
    is_made: bool = False
    value_arrays: frozenset[str] = frozenset()


class Part(msgspec.Struct, frozen=True):
    """An item of FROM: the tables that it makes visible, and its columns for bare names."""

    tables: tuple[Table, ...]
    columns: tuple[str, ...]
    hidden: frozenset[str] = frozenset()


class Scope:
    """The names that an expression sees: those of its own SELECT, then those around it."""

    __slots__ = ("_names", "columns", "ctes", "hidden", "outer", "tables")

    def __init__(self, outer: Scope | None, ctes: Ctes, parts: Iterable[Part] = ()) -> None:
        self.outer = outer
        self.ctes = ctes
        self.tables: dict[str, Table] = {}
        self.columns: tuple[str, ...] = ()
        self._names: frozenset[str] | None = frozenset()
        self.hidden: frozenset[str] = frozenset()
        for part in parts:
            self.add(part, -1)

    def add(self, part: Part, at: int) -> None:
        """Make an item visible; raise ``Refused`` when one of its table names is taken."""
        for table in part.tables:
            if table.alias in self.tables:
                name = echo(table.alias)
                text = f"{name} is named twice in one FROM; give one an alias (AS other)."
                refuse(Code.DUPLICATE_TABLE, text, at)
            self.tables[table.alias] = table
        self.columns += part.columns
        self._names = None
        if part.hidden:
            self.hidden |= part.hidden

    def with_part(self, part: Part, at: int) -> Scope:
        """Return a copy that sees one item more: what the right side of a join may refer to."""
        wider = Scope(self.outer, self.ctes)
        wider.tables = dict(self.tables)
        wider.columns, wider.hidden = self.columns, self.hidden
        wider._names = None
        wider.add(part, at)
        return wider

    def has(self, name: str) -> bool:
        """Return whether a bare name is a column of this SELECT's own FROM."""
        if self._names is None:
            self._names = frozenset(self.columns)
        return name in self._names

    def resolve(self, names: list[str], at: int) -> None:
        """Raise ``Refused`` unless the names, as written between dots, are one column."""
        if names[-1] in SYSTEM_COLUMNS and not self._is_made_column(names):
            text = f"{echo(names[-1])} is a column of the system, not of your data."
            refuse(Code.SYSTEM_COLUMN, text, at)
        if len(names) == 1:
            self._resolve_bare(names[0], at)
        else:
            table = self.table(names[:-1], at)
            if not (table.columns or table.is_made):
                shown = echo(names[-2])
                text = f"The columns of {shown} are not known here; write {shown} alone, or name"
                refuse(Code.UNKNOWN_COLUMN, f"{text} them: {shown}(a, b).", at)
            if names[-1] not in table.columns:
                refuse_column(names[-1], table.columns, echo(names[-2]), at)

    def table(self, names: list[str], at: int) -> Table:
        """Return the nearest entry of FROM with this name; raise ``Refused`` if there is none."""
        schema = names[-2] if len(names) == 2 else None
        scope: Scope | None = self
        while scope is not None and len(names) <= 2:
            table = scope.tables.get(names[-1])
            if table is not None and (schema is None or table.schema == schema):
                return table
            scope = scope.outer
        visible = sorted(self._visible())
        near = nearest(names[-1], visible)
        text = f"{echo('.'.join(names))} is no table of this part of the statement"
        hint = f"; did you mean {echo(near[0])}?" if near else f" (here: {listed(visible)})."
        raise Refused(Code.UNKNOWN_TABLE, text + hint, at)

    def _is_made_column(self, names: list[str]) -> bool:
        """Return whether a name is a subquery's column, with no table that the server looks at."""
        scope: Scope | None = self
        while scope is not None:
            tables = scope.tables
            if len(names) == 2 and names[0] in tables:
                return tables[names[0]].is_made and names[1] in tables[names[0]].columns
            if len(names) == 1 and not all(table.is_made for table in tables.values()):
                return False
            if len(names) == 1 and scope.has(names[0]):
                return bool(tables)
            scope = scope.outer
        return False

    def is_made_row(self, name: str, *, starred: bool) -> bool:
        """Return whether ``name``, or ``name.*``, is a row of a subquery and no column."""
        table = self._table_called(name) if starred else self._row(name)
        return table is not None and table.is_made

    def _row(self, name: str) -> Table | None:
        """Return the table whose row a bare name is; columns, the system's too, go before it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.hidden | SYSTEM_COLUMNS or scope.has(name):
                return None
            scope = scope.outer
        return self._table_called(name)

    def is_value_array(self, names: list[str]) -> bool:
        """Return whether the names, as written between dots, are an array of plain values."""
        if len(names) > 1:
            table = self._table_called(names[-2])
            return table is not None and names[-1] in table.value_arrays
        scope: Scope | None = self
        while scope is not None and not scope.has(names[0]):
            scope = scope.outer
        if scope is None or scope.columns.count(names[0]) > 1:
            return False
        having = [table for table in scope.tables.values() if names[0] in table.columns]
        return bool(having) and all(names[0] in table.value_arrays for table in having)

    def _table_called(self, name: str) -> Table | None:
        scope: Scope | None = self
        while scope is not None:
            if (table := scope.tables.get(name)) is not None:
                return table
            scope = scope.outer
        return None

    def has_row(self, name: str, column: str) -> bool:
        """
        Return whether ``name`` is a table's row that has the column, and no column itself.

        The one value of a function's row is no row: ``(g).f`` of ``generate_series(1, 2) as g(f)``
        calls f.
        """
        table = self._row(name)
        # Of a row with hidden columns the server wants the right to all of them.
        if table is None or table.is_value or table.hidden:
            return False
        own = table.is_made or column not in SYSTEM_COLUMNS
        return own and column in table.columns

    def _resolve_bare(self, name: str, at: int) -> None:
        scope: Scope | None = self
        while scope is not None:
            # Before the columns: a hidden one is what the server would find, also in a join.
            if name in scope.hidden:
                refuse_column(name, self.reachable(), "", at)
            if scope.has(name):
                return
            scope = scope.outer
        scope = self
        while scope is not None:
            table = scope.tables.get(name)
            if table is not None:
                if table.is_value:
                    return
                text = f"{echo(name)} here is a whole row; name its columns"
                refuse(Code.WHOLE_ROW, f"{text} ({listed(table.columns)}).", at)
            scope = scope.outer
        refuse_column(name, self.reachable(), "", at)

    def reachable(self) -> list[str]:
        """Return every column that a bare name could mean here."""
        found: set[str] = set()
        scope: Scope | None = self
        while scope is not None:
            found |= set(scope.columns) - scope.hidden
            scope = scope.outer
        return sorted(found)

    def _visible(self) -> set[str]:
        found: set[str] = set()
        scope: Scope | None = self
        while scope is not None:
            found |= scope.tables.keys()
            scope = scope.outer
        return found


def refuse_column(name: str, columns: Iterable[str], table: str, at: int) -> NoReturn:
    """Refuse a name that is no column, with the nearest that are."""
    known = sorted(set(columns))
    near = nearest(name, known, 3)
    text = f"{table} has no column {echo(name)}" if table else f"There is no column {echo(name)}"
    hint = (
        f"; did you mean {' or '.join(map(echo, near))}?"
        if near
        else f" (there is: {listed(known)})."
    )
    refuse(Code.UNKNOWN_COLUMN, text + hint, at)


def listed(names: Iterable[str]) -> str:
    """Return the first twelve names as a sentence may show them."""
    shown = [echo(name) for name in names]
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "") or "none"
