"""Sums that count a row more than once: the mistake of free SQL that no error shows. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meterr.query.language.slips import Problem
from meterr.query.language.words import RelationWords, Words
from meterr.query.parser import parse
from meterr.query.refusal import Refused

_COUNTING: Final = frozenset({"sum", "avg", "count"})
_Node = Mapping[str, Any]


def counted_twice(sql: str, words: Words) -> Problem | None:
    """
    Return what is wrong with a sum over the one side of a join that brings many rows for each.

    Looks at what is joined by name in one FROM, as the source's words know it. The other ways to
    count wrongly are not seen. ``sql`` is what the guard has let pass.
    """
    try:
        tree = [statement.stmt for statement in parse(sql.encode())]
    except (Refused, ValueError):
        return None
    temporary = {each["ctename"] for each in _all(tree, "CommonTableExpr")}
    for select in _all(tree, "SelectStmt"):
        scope = _scope(select, words, temporary)
        present = {relation.name for relation in scope.values()}
        for join in words.joins:
            if join.many == join.one or not {join.many, join.one} <= present:
                continue
            for call in _aggregates(select):
                if _is_over(call, join.one, scope):
                    return Problem("counted-twice", _sentence(call, join.many, join.one))
    return None


def _sentence(call: _Node, many: str, one: str) -> str:
    return (
        f"{_name(call)} over {one} counts each of its rows once for every row of {many} that is "
        f"joined to it. Aggregate {one} by itself: use exists or in, or join what was aggregated."
    )


def _scope(select: _Node, words: Words, temporary: set[str]) -> dict[str, RelationWords]:
    """Return the relations of one FROM by the name that they have there."""
    found: dict[str, RelationWords] = {}
    for item in _tables(select.get("fromClause", [])):
        relation = words.relation(item["relname"])
        if relation is None or item.get("schemaname", relation.schema) != relation.schema:
            continue
        if "schemaname" in item or relation.name not in temporary:
            found[item.get("alias", {}).get("aliasname", relation.name)] = relation
    return found


def _tables(items: list[Any]) -> Iterator[_Node]:
    for item in items:
        if "RangeVar" in item:
            yield item["RangeVar"]
        elif "RangeTableSample" in item:
            yield from _tables([item["RangeTableSample"]["relation"]])
        elif "JoinExpr" in item:
            sides = item["JoinExpr"]
            yield from _tables([sides[side] for side in ("larg", "rarg") if side in sides])


def _aggregates(select: _Node) -> Iterator[_Node]:
    """Yield calls that count rows of this very SELECT, each as often as it comes."""
    for part in ("targetList", "havingClause", "sortClause"):
        for call in _all(select.get(part, []), "FuncCall", inside=False):
            if _name(call) in _COUNTING and not call.get("agg_distinct") and "over" not in call:
                yield call


def _is_over(call: _Node, one: str, scope: Mapping[str, RelationWords]) -> bool:
    """Return whether all columns of a call's arguments are of ``one``, and there are some."""
    owners = [_owner(each, scope) for each in _all(call.get("args", []), "ColumnRef", inside=False)]
    return bool(owners) and all(owner == one for owner in owners)


def _owner(reference: _Node, scope: Mapping[str, RelationWords]) -> str:
    """Return the relation of a column, "" where that cannot be told."""
    path = [each.get("String", {}).get("sval", "") for each in reference["fields"]]
    if len(path) > 1:
        relation = scope.get(path[-2])
        return relation.name if relation is not None else ""
    having = {each.name for each in scope.values() if each.column(path[-1]) is not None}
    if not having and path[-1] in scope:  # (orders).total
        return scope[path[-1]].name
    return having.pop() if len(having) == 1 else ""


def _name(call: _Node) -> str:
    return str(call["funcname"][-1]["String"]["sval"])


def _all(node: Any, kind: str, *, inside: bool = True) -> Iterator[_Node]:
    """Yield every node of a kind; of SELECTs within only if ``inside``."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, list):
            waiting.extend(reversed(at))
        elif isinstance(at, dict):
            for name, child in at.items():
                if name == kind and isinstance(child, dict):
                    yield child
                if inside or name not in {"SelectStmt", "SubLink"}:
                    waiting.append(child)
