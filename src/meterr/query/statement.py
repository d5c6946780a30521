"""Judge a whole SELECT: WITH, set operations, clauses, and the names of its columns. Pure."""

from collections.abc import Collection, Iterable, Iterator

from meterr.query.expressions import row_columns
from meterr.query.from_items import FromItems, renamed
from meterr.query.names import Node, column_name, strings
from meterr.query.operators import judge_order
from meterr.query.refusal import Code, echo, refuse
from meterr.query.scope import SYSTEM_COLUMNS, Ctes, Part, Scope, refuse_column

# What a set operation has when it stands without brackets, ORDER BY or WITH of its own.
_BARE_SET = frozenset({"op", "all", "larg", "rarg", "limitOption"})
_NO_SET = "SETOP_NONE"


class StatementWalk(FromItems):
    """The walk over one statement, from its outermost SELECT."""

    is_recursive = False

    def select(
        self, body: Node, outer: Scope | None, ctes: Ctes, depth: int, within: Node | None = None
    ) -> tuple[str, ...]:
        """
        Judge a SELECT and return the names of its columns.

        ``outer`` is what it sees of the statement around it. ``within`` is the recursive
        WITH query that this is the body of: its second half may read what its first half began.
        """
        self.fields("SelectStmt", body, depth)
        if "withClause" in body:
            ctes = self._with(body["withClause"], outer, ctes, depth)
        if body["op"] != _NO_SET:
            names = self._set_operation(body, outer, ctes, depth, within)
            scope = Scope(outer, ctes, [Part((), names)])
        elif "valuesLists" in body:
            names = self._values(body, Scope(outer, ctes), depth)
            scope = Scope(outer, ctes, [Part((), names)])
        else:
            scope = self._from(body, Scope(outer, ctes), depth)
            names = self._simple(body, scope, depth)
        self._sorted(body.get("sortClause", ()), names, scope, depth)
        for field in ("limitOffset", "limitCount"):
            if field in body:
                self.expression(body[field], scope, depth + 1)
        return names

    def _with(self, clause: Node, outer: Scope | None, ctes: Ctes, depth: int) -> Ctes:
        """Judge the WITH queries and return what is known by name after them."""
        self.fields("WithClause", clause, depth)
        queries = [item["CommonTableExpr"] for item in clause["ctes"]]
        known = dict(ctes)
        is_recursive = bool(clause.get("recursive"))
        if is_recursive:  # each of them already hides an outer table of its name
            self.is_recursive = True
            known.update({query["ctename"]: None for query in queries})
        for query in queries:
            self.fields("CommonTableExpr", query, depth)
            name = query["ctename"]
            if query["ctequery"].keys() != {"SelectStmt"}:
                text = f"{echo(name)} is no SELECT; WITH queries of a question only read."
                refuse(Code.WRITING_CTE, text, self.at)
            body = query["ctequery"]["SelectStmt"]
            within = query if is_recursive else None
            columns = self.select(body, outer, known, depth + 1, within)
            columns = renamed(columns, query.get("aliascolnames", []))
            known[name] = (*columns, *self._added(query, columns, depth))
        return known

    def _added(self, query: Node, columns: tuple[str, ...], depth: int) -> Iterator[str]:
        """Judge SEARCH and CYCLE, and yield the columns that they add behind the query's own."""
        for kind, field in (("CTESearchClause", "search"), ("CTECycleClause", "cycle")):
            clause = query.get(f"{field}_clause")
            if clause is None:
                continue
            self.fields(kind, clause, depth)
            for name in strings(clause[f"{field}_col_list"]):
                if name not in columns:
                    refuse_column(name, columns, "", self.at)
            for value in ("cycle_mark_value", "cycle_mark_default"):
                if value in clause:
                    self.expression(clause[value], Scope(None, {}), depth + 1)
            added = (f"{field}_{part}_column" for part in ("seq", "mark", "path"))
            yield from (clause[each] for each in added if each in clause)

    def _set_operation(
        self, body: Node, outer: Scope | None, ctes: Ctes, depth: int, within: Node | None
    ) -> tuple[str, ...]:
        """Judge all arms, however many, at one depth; the first one names the columns."""
        arms = [body["rarg"]]
        left = body["larg"]
        while left["op"] != _NO_SET and left.keys() <= _BARE_SET:
            self.fields("SelectStmt", left, depth)
            arms.append(left["rarg"])
            left = left["larg"]
        names = self.select(left, outer, ctes, depth + 1)
        for arm in arms[:0:-1]:
            self.select(arm, outer, ctes, depth + 1)
        if within is not None:
            own = renamed(names, within.get("aliascolnames", []))
            ctes = {**ctes, within["ctename"]: own}
        self.select(arms[0], outer, ctes, depth + 1)
        return names

    def _values(self, body: Node, scope: Scope, depth: int) -> tuple[str, ...]:
        for row in body["valuesLists"]:
            self.expression(row, scope, depth + 1)
        width = len(body["valuesLists"][0]["List"]["items"])
        return tuple(f"column{n}" for n in range(1, width + 1))

    def _from(self, body: Node, scope: Scope, depth: int) -> Scope:
        for item in body.get("fromClause", ()):
            part = self.from_item(item, scope, depth + 1)
            scope.add(part, self.at)
        return scope

    def _simple(self, body: Node, scope: Scope, depth: int) -> tuple[str, ...]:
        """Judge the clauses of a SELECT without set operation, up to its ORDER BY."""
        names: list[str] = []
        for target in body.get("targetList", ()):
            names += self._target(target["ResTarget"], scope, depth + 1)
        for field in ("whereClause", "havingClause"):
            if field in body:
                self.expression(body[field], scope, depth + 1)
        known = (
            frozenset(names) if "groupClause" in body or "distinctClause" in body else frozenset()
        )
        for item in body.get("groupClause", ()):
            self._grouped(item, known, scope, depth + 1)
        for item in body.get("windowClause", ()):
            self.expression(item, scope, depth + 1)
        for item in body.get("distinctClause", ()):
            if item:  # an empty one is DISTINCT without ON
                self._named(item, known, scope, depth + 1)
        return tuple(names)

    def _target(self, target: Node, scope: Scope, depth: int) -> tuple[str, ...]:
        """Judge one result column, or all that a star stands for, and return the names."""
        self.fields("ResTarget", target, depth)
        value = target["val"]
        match value:
            case {"ColumnRef": {"fields": [*_, {"A_Star": _}]}}:
                return self._star(strings(value["ColumnRef"]["fields"]), scope)
            case {"A_Indirection": {"arg": dict(call), "indirection": [{"A_Star": _}]}} if (
                columns := row_columns(call)
            ):
                self.expression(call, scope, depth + 1)
                return columns
            case _:
                self.expression(value, scope, depth)
        return (target.get("name") or column_name(value, self.first_names),)

    def _star(self, names: list[str], scope: Scope) -> tuple[str, ...]:
        if names:
            table = scope.table(names, self.at)
            columns, hidden = table.columns, table.hidden
        else:
            columns, hidden = scope.columns, scope.hidden
        self.meet(columns)
        if hidden:
            shown = ", ".join(echo(name) for name in columns[:12])
            text = f"A star would also show columns that are not shared; name them ({shown})."
            refuse(Code.HIDDEN_COLUMNS, text, self.at)
        return columns

    def _sorted(
        self, items: Iterable[Node], names: tuple[str, ...], scope: Scope, depth: int
    ) -> None:
        known = frozenset(names) if items else frozenset()
        for item in items:
            sort = item["SortBy"]
            self.fields("SortBy", sort, depth)
            judge_order(sort, self.at)
            self._named(sort["node"], known, scope, depth + 1)

    def _named(self, node: Node, names: Collection[str], scope: Scope, depth: int) -> None:
        """Judge what ORDER BY and DISTINCT ON hold: a result column by name, or an expression."""
        if _bare_name(node) not in names:
            self.expression(node, scope, depth)

    def _grouped(self, node: Node, names: Collection[str], scope: Scope, depth: int) -> None:
        """Judge an item of GROUP BY, where a column of FROM goes before a result column."""
        match node:
            case {"GroupingSet": dict(body)}:
                self.fields("GroupingSet", body, depth)
                for item in body.get("content", ()):
                    self._grouped(item, names, scope, depth + 1)
            case {"RowExpr": {"row_format": "COERCE_IMPLICIT_CAST", "args": list(items)}}:
                self.fields("RowExpr", node["RowExpr"], depth)
                for item in items:  # (a, b) here is a and b
                    self._grouped(item, names, scope, depth + 1)
            case _ if _bare_name(node) in scope.hidden | SYSTEM_COLUMNS:
                self.expression(node, scope, depth)
            case _:
                self._named(node, names, scope, depth)


def _bare_name(node: Node) -> str | None:
    match node:
        case {"ColumnRef": {"fields": [{"String": {"sval": str(name)}}]}}:
            return name
        case _:
            return None
