"""Judge the items of FROM: which tables they read, and which names they make visible. Pure."""

from abc import abstractmethod
from typing import NoReturn

import msgspec

from meterr.query.catalogue import Catalogue, Relation
from meterr.query.expressions import Expressions, refuse_construct, row_columns
from meterr.query.functions import (
    DEFINED_ROWS,
    ELEMENT_RESULTS,
    RESULT_NAMES,
    TEXT_ARRAYS,
)
from meterr.query.grammar import SHAPES
from meterr.query.json_table import judge_json_table
from meterr.query.names import Node, column_name, strings
from meterr.query.refusal import Code, echo, nearest, refuse
from meterr.query.scope import Ctes, Part, Scope, Table, listed, refuse_column
from meterr.query.type_names import judge_type


class FromItems(Expressions):
    """The part of the walk that reads FROM. ``relations`` are those it has met."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.catalogue = catalogue
        self.relations: set[tuple[str, str]] = set()
        # The name of each scalar subquery's column, for results that have no other.
        self.first_names: dict[int, str] = {}

    @abstractmethod
    def select(self, body: Node, outer: Scope | None, ctes: Ctes, depth: int) -> tuple[str, ...]:
        """Judge a SELECT and return the names of its columns."""

    def subquery(self, body: Node, scope: Scope, depth: int) -> None:
        """Judge a SELECT inside an expression."""
        names = self.select(select_of(body["subselect"], self.at), scope, scope.ctes, depth)
        self.first_names[id(body)] = names[0] if names else ""

    def fields(self, kind: str, body: Node, depth: int) -> None:
        """Count a node of a query and refuse what its shape does not name."""
        self.enter(body, depth)
        extra = body.keys() - SHAPES[kind].fields
        if extra:
            refuse_construct(f"{kind}.{min(extra)}", self.at)

    def from_item(self, node: Node, scope: Scope, depth: int) -> Part:
        """Judge one item; ``scope`` sees what stands to its left, for LATERAL."""
        kind, body = next(iter(node.items()))
        if kind == "JoinExpr":
            return self._join(body, scope, depth)
        if kind == "RangeVar":
            part = self._relation(body, scope.ctes, depth)
        elif kind == "RangeSubselect":
            part = self._subselect(body, scope, depth)
        elif kind == "RangeTableSample":
            return self._sample(body, scope, depth)
        elif kind == "JsonTable":
            columns = judge_json_table(self, body, scope, depth)
            part = self._aliased(body, Table("json_table", columns, is_made=True), depth)
        elif kind == "RangeFunction":
            part = self._function(body, scope, depth)
        else:
            refuse_construct(kind, self.at)
        self.meet(part.columns)
        return part

    def _relation(self, body: Node, ctes: Ctes, depth: int) -> Part:
        self.fields("RangeVar", body, depth)
        schema, name = body.get("schemaname"), body["relname"]
        if schema is None and name in ctes:
            columns = ctes[name]
            if columns is None:
                text = f"{echo(name)} is used before its columns are known; define it earlier."
                refuse(Code.TABLE_ORDER, text, self.at)
            return self._aliased(body, Table(name, columns, is_made=True), depth)
        relation = self.catalogue.find(schema, name)
        if relation is None:
            self._refuse_relation(schema, name, ctes)
        self.relations.add((relation.schema, relation.name))
        return self._of_catalogue(body, relation, depth)

    def _of_catalogue(self, body: Node, relation: Relation, depth: int) -> Part:
        hidden = relation.hidden
        schema = None if "alias" in body else relation.schema
        arrays = frozenset() if body.get("alias", {}).get("colnames") else relation.value_arrays
        table = Table(relation.name, relation.shared, hidden, schema, value_arrays=arrays)
        return self._aliased(body, table, depth)

    def _refuse_relation(self, schema: str | None, name: str, ctes: Ctes) -> NoReturn:
        shown = echo(name if schema is None else f"{schema}.{name}")
        known = [*ctes, *self.catalogue.names()]
        near = nearest(name, known)
        hint = f"; did you mean {echo(near[0])}?" if near else f" (there is: {listed(known)})."
        refuse(Code.UNKNOWN_TABLE, f"There is no table {shown}{hint}", self.at)

    def _sample(self, body: Node, scope: Scope, depth: int) -> Part:
        """Judge a part of a table: drawn by blocks or again, it would say where rows lie."""
        self.fields("RangeTableSample", body, depth)
        if strings(body["method"]) != ["bernoulli"] or body["args"][0].keys() != {"A_Const"}:
            text = "TABLESAMPLE takes BERNOULLI (10) here, with a number of percent."
            refuse(Code.CONSTRUCT, text, self.at)
        return self.from_item(body["relation"], scope, depth + 1)

    def _subselect(self, body: Node, scope: Scope, depth: int) -> Part:
        self.fields("RangeSubselect", body, depth)
        outer = scope if body.get("lateral") else scope.outer
        select = select_of(body["subquery"], self.at)
        names = self.select(select, outer, scope.ctes, depth + 1)
        if "alias" not in body:  # PostgreSQL 16 and later: its columns have bare names only
            return Part((), names)
        return self._aliased(body, Table("", names, is_made=True), depth)

    def _function(self, body: Node, scope: Scope, depth: int) -> Part:
        self.fields("RangeFunction", body, depth)
        written = body.get("alias", {})
        calls = [
            each
            for item in body["functions"]
            for each in _spread(self._call_in_from(item, scope, depth))
        ]
        alias = written.get("aliasname")
        if "coldeflist" in body:
            name = alias or column_name(calls[0], self.first_names)
            return self._defined(body, calls, name, depth)
        columns = tuple(
            name
            for call in calls
            for name in self._result_columns(call, alias if len(calls) == 1 else None)
        )
        if body.get("ordinality"):
            columns += ("ordinality",)
        names = strings(written.get("colnames", []))
        sure = None if self.has_unknown_columns else scope
        known = all(_has_known_columns(call, scope, sure) for call in calls)
        self.has_unknown_columns |= not known
        if names and not known:  # as many as there are names, or else the server says no
            columns += tuple(names[len(columns) :])
        is_value = len(calls) == 1 == len(columns) and not body.get("ordinality")
        if not (names or known):
            columns = ()  # then only the bare alias has a meaning that we can be sure of
        name = alias or column_name(calls[0], self.first_names)
        return self._aliased(body, Table(name, columns, is_value=is_value), depth)

    def _defined(self, body: Node, calls: list[Node], name: str, depth: int) -> Part:
        """Judge a function whose columns are defined after it, and take them from there."""
        if len(calls) > 1 or not self._is_defined_row(calls[0]):
            text = f"Only {', '.join(sorted(DEFINED_ROWS))} take column definitions."
            refuse(Code.CONSTRUCT, text, self.at)
        definitions = [item["ColumnDef"] for item in body["coldeflist"]]
        for each in definitions:
            self.fields("ColumnDef", each, depth + 1)
            judge_type(each["typeName"])
        columns = tuple(each["colname"] for each in definitions)
        return Part((Table(name, columns, is_made=True),), columns)

    def _is_defined_row(self, call: Node) -> bool:
        return "FuncCall" in call and column_name(call, self.first_names) in DEFINED_ROWS

    def _call_in_from(self, item: Node, scope: Scope, depth: int) -> Node:
        """Judge one function of FROM: a list of the call and its column definitions, if any."""
        call: Node
        call, definitions = item["List"]["items"]
        if definitions:
            text = "Column definitions cannot be used inside rows from (...)."
            refuse(Code.CONSTRUCT, text, self.at)
        self.expression(call, scope, depth + 1)
        return call

    def _result_columns(self, call: Node, alias: str | None) -> tuple[str, ...]:
        """Return the columns of a function in FROM as the server names them."""
        name = column_name(call, self.first_names)
        if "FuncCall" not in call:
            return (alias or name,)
        return row_columns(call) or (RESULT_NAMES.get(name) or alias or name,)

    def _join(self, body: Node, scope: Scope, depth: int) -> Part:
        self.fields("JoinExpr", body, depth)
        left = self.from_item(body["larg"], scope, depth + 1)
        at = self.at
        right = self.from_item(body["rarg"], scope.with_part(left, at), depth + 1)
        shared = self._shared_columns(body, left, right)
        own = Scope(scope.outer, scope.ctes, (left, right))
        if "quals" in body:
            self.expression(body["quals"], own, depth + 1)
        merged = set(shared)
        rest = [name for part in (left, right) for name in part.columns if name not in merged]
        columns = (*shared, *rest)
        hidden = left.hidden | right.hidden
        if "alias" in body:
            return self._aliased(body, Table("", columns, hidden), depth)
        tables = (*left.tables, *right.tables)
        if "join_using_alias" in body:
            self.fields("Alias", body["join_using_alias"], depth)
            tables += (Table(body["join_using_alias"]["aliasname"], shared),)
        return Part(tables, columns, hidden)

    def _shared_columns(self, body: Node, left: Part, right: Part) -> tuple[str, ...]:
        """Return the columns that USING or NATURAL merges, in the server's order."""
        if body.get("isNatural"):
            if left.hidden or right.hidden:
                text = "NATURAL JOIN would also compare columns that are not shown; write USING."
                refuse(Code.HIDDEN_COLUMNS, text, self.at)
            others = set(right.columns)
            return tuple(name for name in left.columns if name in others)
        names = tuple(strings(body.get("usingClause", [])))
        for name in names:
            for part in (left, right):
                if name not in part.columns:
                    refuse_column(name, part.columns, "one side of the join", self.at)
        return names

    def _aliased(self, body: Node, table: Table, depth: int) -> Part:
        """Give a table the alias that was written for it, if one was."""
        alias = body.get("alias")
        if alias is None:
            return Part((table,), table.columns, table.hidden)
        self.fields("Alias", alias, depth)
        names = alias.get("colnames", [])
        if names and table.hidden:  # the server counts those that are not shown, too
            text = "A list of column aliases would also count columns that are not shown; use AS."
            refuse(Code.HIDDEN_COLUMNS, text, self.at)
        columns = renamed(table.columns, names)
        named = msgspec.structs.replace(table, alias=alias["aliasname"], columns=columns)
        return Part((named,), columns, table.hidden)


def renamed(columns: tuple[str, ...], names: list[Node]) -> tuple[str, ...]:
    """Return the columns after a list of aliases for the first of them."""
    aliases = tuple(strings(names))[: len(columns)]
    return aliases + columns[len(aliases) :]


def select_of(node: Node, at: int) -> Node:
    """Return the SELECT that a node is; refuse anything else that may stand in brackets."""
    if node.keys() != {"SelectStmt"}:
        refuse_construct(next(iter(node), "an empty query"), at)
    body: Node = node["SelectStmt"]
    return body


def _spread(call: Node) -> list[Node]:
    """Return the calls that one call in FROM is: ``unnest(a, b)`` is ``unnest(a), unnest(b)``."""
    body = call.get("FuncCall")
    if body is None or strings(body["funcname"])[-1] != "unnest" or len(body["args"]) < 2:
        return [call]
    return [{"FuncCall": {**body, "args": [each]}} for each in body["args"]]


def _has_known_columns(call: Node, scope: Scope, bare: Scope | None) -> bool:
    """
    Return whether a function's rows cannot be rows of a type that brings its own columns.

    ``bare`` is where names without a table are looked up; None when they could mean anything.
    """
    match call:
        case {"FuncCall": {"funcname": list(names), "args": [arg]}} if _is_unnest(names):
            return _is_array_of_values(arg, scope, bare) or bool(row_columns(call))
        case {"FuncCall": {"funcname": list(names)}}:
            return strings(names)[-1] not in ELEMENT_RESULTS | DEFINED_ROWS
        case _:
            return call.keys() <= {"TypeCast", "SQLValueFunction"}


def _is_unnest(names: list[Node]) -> bool:
    return strings(names)[-1] == "unnest"


def _is_array_of_values(node: Node, scope: Scope, bare: Scope | None) -> bool:
    match node:
        case {"ColumnRef": {"fields": [_] as fields}}:
            return bare is not None and bare.is_value_array(strings(fields))
        case {"ColumnRef": {"fields": list(fields)}}:
            return scope.is_value_array(strings(fields))
        case {"A_ArrayExpr": {"elements": list(elements)}}:
            return all(each.keys() <= {"A_Const", "TypeCast"} for each in elements)
        case {"TypeCast": {"typeName": {"arrayBounds": _}}}:
            return True
        case {"FuncCall": {"funcname": list(names)}}:
            return strings(names)[-1] in TEXT_ARRAYS
        case _:
            return False
