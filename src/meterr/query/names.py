"""
The names that PostgreSQL gives to columns of a result which has none. Pure.

They decide what ``select s.x from (select ...) s`` means, so they follow the server's rules
(FigureColname in parse_target.c): a name is strong, weak or missing, and a cast takes its type's
name only where its argument has no strong one.
"""

from collections.abc import Callable, Mapping
from typing import Any

Node = dict[str, Any]

_STRONG, _WEAK, _NONE = 2, 1, 0
UNNAMED = "?column?"

# The name of each subquery's first column, by the identity of its node in this statement's tree.
FirstNames = Mapping[int, str]

_FIXED: Mapping[str, str] = {
    "GroupingFunc": "grouping",
    "A_ArrayExpr": "array",
    "RowExpr": "row",
    "CoalesceExpr": "coalesce",
    "JsonObjectConstructor": "json_object",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonArrayAgg": "json_arrayagg",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
}
_JSON_OPS: Mapping[str, str] = {
    "JSON_EXISTS_OP": "json_exists",
    "JSON_QUERY_OP": "json_query",
    "JSON_VALUE_OP": "json_value",
}
_VALUES: Mapping[str, str] = {
    "SVFOP_CURRENT_DATE": "current_date",
    "SVFOP_CURRENT_TIME": "current_time",
    "SVFOP_CURRENT_TIME_N": "current_time",
    "SVFOP_CURRENT_TIMESTAMP": "current_timestamp",
    "SVFOP_CURRENT_TIMESTAMP_N": "current_timestamp",
    "SVFOP_LOCALTIME": "localtime",
    "SVFOP_LOCALTIME_N": "localtime",
    "SVFOP_LOCALTIMESTAMP": "localtimestamp",
    "SVFOP_LOCALTIMESTAMP_N": "localtimestamp",
}
# The whole of what a value of the session may be: the clock. Users, roles and schemas are not.
SESSION_VALUES = _VALUES.keys()


def strings(parts: list[Node]) -> list[str]:
    """Return the words of a list of String nodes, leaving out others."""
    return [part["String"]["sval"] for part in parts if "String" in part]


def column_name(node: Node, first_names: FirstNames) -> str:
    """Return the name of a result column that was written without AS."""
    return _figure(node, first_names)[1] or UNNAMED


def _figure(node: Node, first: FirstNames) -> tuple[int, str]:
    kind, body = next(iter(node.items()))
    if kind in _FIXED:
        return _STRONG, _FIXED[kind]
    rule = _RULES.get(kind)
    return rule(body, first) if rule else (_NONE, "")


def _of_column(body: Node, _first: FirstNames) -> tuple[int, str]:
    names = strings(body["fields"])
    return (_STRONG, names[-1]) if names else (_NONE, "")


def _of_indirection(body: Node, first: FirstNames) -> tuple[int, str]:
    names = strings(body["indirection"])
    return (_STRONG, names[-1]) if names else _figure(body["arg"], first)


def _of_call(body: Node, _first: FirstNames) -> tuple[int, str]:
    return _STRONG, strings(body["funcname"])[-1]


def _of_operator(body: Node, _first: FirstNames) -> tuple[int, str]:
    return (_STRONG, "nullif") if body["kind"] == "AEXPR_NULLIF" else (_NONE, "")


def _of_cast(body: Node, first: FirstNames) -> tuple[int, str]:
    strength, name = _figure(body["arg"], first)
    if strength > _WEAK:
        return strength, name
    return _WEAK, strings(body["typeName"]["names"])[-1]


def _of_case(body: Node, first: FirstNames) -> tuple[int, str]:
    strength, name = _figure(body["defresult"], first) if "defresult" in body else (_NONE, "")
    return (strength, name) if strength > _WEAK else (_WEAK, "case")


def _of_sublink(body: Node, first: FirstNames) -> tuple[int, str]:
    match body["subLinkType"]:
        case "EXISTS_SUBLINK":
            return _STRONG, "exists"
        case "ARRAY_SUBLINK":
            return _STRONG, "array"
        case "EXPR_SUBLINK":
            return _STRONG, first[id(body)]
        case _:
            return _NONE, ""


_RULES: Mapping[str, Callable[[Node, FirstNames], tuple[int, str]]] = {
    "ColumnRef": _of_column,
    "A_Indirection": _of_indirection,
    "FuncCall": _of_call,
    "A_Expr": _of_operator,
    "TypeCast": _of_cast,
    "CollateClause": lambda body, first: _figure(body["arg"], first),
    "CaseExpr": _of_case,
    "SubLink": _of_sublink,
    "MinMaxExpr": lambda body, _: (_STRONG, "least" if body["op"] == "IS_LEAST" else "greatest"),
    "SQLValueFunction": lambda body, _: (_STRONG, _VALUES.get(body["op"], "")),
    "JsonFuncExpr": lambda body, _: (_STRONG, _JSON_OPS.get(body["op"], "")),
}
