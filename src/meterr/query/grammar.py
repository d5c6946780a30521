"""
The part of PostgreSQL's grammar that a question may use: (node, field), by name. Pure.

A node that is not here is refused, and so is a field that is not here and is set. That is the
whole point: what a later PostgreSQL adds is unknown, hence refused, until somebody has read it.
"""

from collections.abc import Mapping

import msgspec


class Shape(msgspec.Struct, frozen=True):
    """
    The fields of one node.

    ``children`` hold expressions, ``structs`` hold a node whose name the parser leaves out,
    ``judged`` have a rule of their own, ``inert`` are numbers, flags and labels without effect.
    """

    children: frozenset[str]
    inert: frozenset[str]
    judged: frozenset[str] = frozenset()
    structs: Mapping[str, str] = {}

    @property
    def fields(self) -> frozenset[str]:
        """Return every field that may be set."""
        return self.children | self.inert | self.judged | self.structs.keys()


def _shape(
    children: str = "",
    *,
    inert: str = "location",
    judged: str = "",
    structs: Mapping[str, str] | None = None,
) -> Shape:
    return Shape(
        children=frozenset(children.split()),
        inert=frozenset(inert.split()),
        judged=frozenset(judged.split()),
        structs=structs or {},
    )


_FRAME = _shape("partitionClause orderClause startOffset endOffset",
                inert="name refname frameOptions location")  # fmt: skip

_QUERY = {
    "SelectStmt": _shape(
        inert="groupDistinct limitOption op all",
        judged="distinctClause targetList fromClause whereClause groupClause havingClause"
        " windowClause valuesLists sortClause limitOffset limitCount withClause larg rarg",
    ),
    "WithClause": _shape(inert="recursive location", judged="ctes"),
    "CommonTableExpr": _shape(
        inert="ctematerialized location",
        judged="ctename aliascolnames ctequery search_clause cycle_clause",
    ),
    "CTESearchClause": _shape(
        inert="search_breadth_first location", judged="search_col_list search_seq_column"
    ),
    "CTECycleClause": _shape(
        judged="cycle_col_list cycle_mark_column cycle_mark_value cycle_mark_default"
        " cycle_path_column"
    ),
    "ResTarget": _shape(judged="name val"),
    "RangeVar": _shape(inert="inh relpersistence location", judged="schemaname relname alias"),
    "RangeTableSample": _shape(judged="relation method args"),
    "RangeSubselect": _shape(inert="lateral", judged="subquery alias"),
    "RangeFunction": _shape(
        inert="lateral is_rowsfrom ordinality", judged="functions alias coldeflist"
    ),
    "JsonTable": _shape(
        inert="lateral location", judged="context_item pathspec passing columns on_error alias"
    ),
    "JsonTablePathSpec": _shape(inert="name name_location location", judged="string"),
    "JsonTableColumn": _shape(
        inert="coltype name wrapper quotes location",
        judged="typeName pathspec format columns on_empty on_error",
    ),
    "ColumnDef": _shape(inert="is_local location", judged="colname typeName"),
    "JoinExpr": _shape(
        inert="jointype isNatural rtindex",
        judged="larg rarg usingClause join_using_alias quals alias",
    ),
    "Alias": _shape(inert="", judged="aliasname colnames"),
    "WindowDef": _FRAME,
    "SortBy": _shape("node", inert="sortby_dir sortby_nulls location", judged="useOp"),
    "GroupingSet": _shape("content", inert="kind location"),
}

_EXPRESSIONS = {
    "A_Const": _shape(inert="ival fval boolval sval bsval isnull location"),
    "ColumnRef": _shape(judged="fields"),
    "A_Expr": _shape(
        "lexpr rexpr", inert="kind location rexpr_list_start rexpr_list_end", judged="name"
    ),
    "BoolExpr": _shape("args", inert="boolop location"),
    "CaseExpr": _shape("arg args defresult"),
    "CaseWhen": _shape("expr result"),
    "CoalesceExpr": _shape("args"),
    "MinMaxExpr": _shape("args", inert="op location"),
    "NullTest": _shape("arg", inert="nulltesttype argisrow location"),
    "BooleanTest": _shape("arg", inert="booltesttype location"),
    "TypeCast": _shape("arg", judged="typeName"),
    "TypeName": _shape(inert="typemod location", judged="names typmods arrayBounds"),
    "CollateClause": _shape("arg", judged="collname"),
    "FuncCall": _shape(
        "args agg_order agg_filter",
        inert="agg_within_group agg_star agg_distinct func_variadic funcformat location",
        judged="funcname",
        structs={"over": "WindowDef"},
    ),
    "NamedArgExpr": _shape("arg", inert="name argnumber location"),
    "SQLValueFunction": _shape(inert="typmod location", judged="op"),
    "GroupingFunc": _shape("args"),
    "RowExpr": _shape("args", inert="row_format location"),
    "A_ArrayExpr": _shape("elements", inert="list_start list_end location"),
    "A_Indirection": _shape("arg", inert="", judged="indirection"),
    "A_Indices": _shape("lidx uidx", inert="is_slice"),
    "SubLink": _shape("testexpr", inert="subLinkType location", judged="operName subselect"),
    "List": _shape("items", inert=""),
}

# SQL's own JSON functions: nodes of their own, not calls.
_JSON = {
    "JsonFormat": _shape(inert="format_type encoding location"),
    "JsonReturning": _shape(inert="", structs={"format": "JsonFormat"}),
    "JsonOutput": _shape(inert="", judged="typeName", structs={"returning": "JsonReturning"}),
    "JsonValueExpr": _shape("raw_expr", inert="", structs={"format": "JsonFormat"}),
    "JsonArgument": _shape(inert="name", structs={"val": "JsonValueExpr"}),
    "JsonBehavior": _shape("expr", inert="btype coerce location"),
    "JsonKeyValue": _shape("key", inert="", structs={"value": "JsonValueExpr"}),
    "JsonFuncExpr": _shape(
        "pathspec passing",
        inert="op wrapper quotes location",
        structs={
            "context_item": "JsonValueExpr",
            "output": "JsonOutput",
            "on_empty": "JsonBehavior",
            "on_error": "JsonBehavior",
        },
    ),
    "JsonIsPredicate": _shape(
        "expr", inert="item_type unique_keys location", structs={"format": "JsonFormat"}
    ),
    "JsonObjectConstructor": _shape(
        "exprs", inert="absent_on_null unique location", structs={"output": "JsonOutput"}
    ),
    "JsonArrayConstructor": _shape(
        "exprs", inert="absent_on_null location", structs={"output": "JsonOutput"}
    ),
    "JsonArrayQueryConstructor": _shape(
        inert="absent_on_null location",
        judged="query",
        structs={"output": "JsonOutput", "format": "JsonFormat"},
    ),
    "JsonParseExpr": _shape(
        inert="unique_keys location", structs={"expr": "JsonValueExpr", "output": "JsonOutput"}
    ),
    "JsonScalarExpr": _shape("expr", structs={"output": "JsonOutput"}),
    "JsonSerializeExpr": _shape(structs={"expr": "JsonValueExpr", "output": "JsonOutput"}),
    "JsonAggConstructor": _shape(
        "agg_filter agg_order", structs={"output": "JsonOutput", "over": "WindowDef"}
    ),
    "JsonObjectAgg": _shape(
        inert="absent_on_null unique",
        structs={"constructor": "JsonAggConstructor", "arg": "JsonKeyValue"},
    ),
    "JsonArrayAgg": _shape(
        inert="absent_on_null",
        structs={"constructor": "JsonAggConstructor", "arg": "JsonValueExpr"},
    ),
}  # fmt: skip

# The server that first reads these as they are judged. An older one takes json_value(a, b) for a
# call of a function with that name, whoever made it.
SINCE: Mapping[str, int] = {
    "JsonIsPredicate": 16,
    "JsonObjectConstructor": 16,
    "JsonArrayConstructor": 16,
    "JsonArrayQueryConstructor": 16,
    "JsonObjectAgg": 16,
    "JsonArrayAgg": 16,
    "JsonFuncExpr": 17,
    "JsonParseExpr": 17,
    "JsonScalarExpr": 17,
    "JsonSerializeExpr": 17,
}
OLDEST = 15

# What may stand where an expression is expected, and how to read it.
EXPRESSIONS: Mapping[str, Shape] = {
    **_EXPRESSIONS,
    **_JSON,
    **{name: _QUERY[name] for name in ("WindowDef", "SortBy", "GroupingSet")},
}

SHAPES: Mapping[str, Shape] = {**_QUERY, **EXPRESSIONS}
