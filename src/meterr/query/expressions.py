"""Judge expressions: each node and field by the grammar, each name by its list. Pure."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from meterr.query.calls import judge_call
from meterr.query.functions import LEXEMES, ROW_COLUMNS, ROW_TAKERS, TSVECTORS
from meterr.query.grammar import EXPRESSIONS, OLDEST, SINCE
from meterr.query.names import SESSION_VALUES, Node, strings
from meterr.query.operators import judge_collation, judge_operator, judge_order
from meterr.query.refusal import Code, echo, refuse
from meterr.query.scope import Scope
from meterr.query.type_names import judge_type

DEPTH_MAX = 120
NODES_MAX = 20_000
COLUMNS_MAX = 50_000


class Expressions:
    """One walk over one statement. What it has seen is in ``functions``, ``nodes`` and ``at``."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.nodes = 0
        self.columns = 0
        # The oldest server that reads what was judged in the same way.
        self.server_major = OLDEST
        # Arguments that may be a whole row, by the identity of their nodes in this tree.
        self.row_places: set[int] = set()
        # Names of tables in (t).column, which is t.column, by the identity of their nodes.
        self.row_names: set[int] = set()
        # Whether FROM brought columns by names that are not known: any bare name may be one.
        self.has_unknown_columns = False
        # Where we are: the byte offset of the last node that knew its own.
        self.at = -1

    @abstractmethod
    def subquery(self, body: Node, scope: Scope, depth: int) -> None:
        """Judge a SELECT inside an expression."""

    def expression(self, node: Node, scope: Scope, depth: int) -> None:
        """Judge one named node."""
        if len(node) != 1:
            refuse(Code.CONSTRUCT, "This notation cannot be used in a question.", self.at)
        kind, body = next(iter(node.items()))
        self.struct(kind, body, scope, depth)

    def struct(self, kind: str, body: Node, scope: Scope, depth: int) -> None:
        """Judge the fields of a node whose kind is known, and everything below it."""
        shape = EXPRESSIONS.get(kind)
        self.enter(body, depth)
        if shape is None:
            refuse_construct(kind, self.at)
        judge = _JUDGES.get(kind)
        if judge is not None:
            judge(self, body, scope, depth)
        for field, value in body.items():
            if field in shape.children:
                self.below(value, scope, depth + 1)
            elif field in shape.structs:
                self.struct(shape.structs[field], value, scope, depth + 1)
            elif field not in shape.inert and field not in shape.judged:
                refuse_construct(f"{kind}.{field}", self.at)

    def below(self, value: Any, scope: Scope, depth: int) -> None:
        """Judge a field that holds one expression or a list of them."""
        if isinstance(value, list):
            for each in value:
                self.expression(each, scope, depth)
        else:
            self.expression(value, scope, depth)

    def meet(self, columns: tuple[str, ...]) -> None:
        """Count the columns that a table or a star brings: each may double what is before it."""
        self.columns += len(columns)
        if self.columns > COLUMNS_MAX:
            text = f"Tables and stars bring more than {COLUMNS_MAX:,} columns; name those you need."
            refuse(Code.TOO_LARGE, text, self.at)

    def enter(self, body: Node, depth: int) -> None:
        """Count a node, and remember where it stands."""
        self.nodes += 1
        if self.nodes > NODES_MAX:
            refuse(Code.TOO_LARGE, f"The statement has more than {NODES_MAX:,} parts.", self.at)
        at = body.get("location", -1)
        if at >= 0:
            self.at = at
        if depth > DEPTH_MAX:
            text = (
                f"The statement is nested more than {DEPTH_MAX} deep; split it into WITH queries."
            )
            refuse(Code.TOO_DEEP, text, self.at)


def refuse_construct(what: str, at: int) -> NoReturn:
    """Refuse a node or a field that the grammar's list does not name."""
    code, text = _KNOWN.get(what, (Code.CONSTRUCT, f"{what} cannot be used in a question."))
    refuse(code, text, at)


def _column(walk: Expressions, body: Node, scope: Scope, _depth: int) -> None:
    names = strings(body["fields"])
    starred = len(names) < len(body["fields"])
    may_be_row = len(names) == 1 and id(body) in walk.row_places
    if may_be_row and scope.is_made_row(names[0], starred=starred):
        return
    if id(body) in walk.row_names:
        return
    if starred:
        text = "A star may stand only for columns of a select list, or as count(*)."
        refuse(Code.WHOLE_ROW, text, walk.at)
    scope.resolve(names, walk.at)


def _operator(walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    judge_operator(body["name"], walk.at)


def _sort(walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    judge_order(body, walk.at)


def _row_of(argument: Node) -> Node | None:
    """Return the name that may be a whole row: the argument itself, or what it selects alone."""
    match argument:
        case {"ColumnRef": dict(column)}:
            return column
        case {"SubLink": {"subLinkType": "EXPR_SUBLINK", "subselect": {"SelectStmt": selected}}}:
            match selected:
                case {"targetList": [{"ResTarget": {"val": {"ColumnRef": dict(column)}}}]}:
                    return column
    return None


def _call(walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    name = judge_call(body, walk.at)
    walk.functions.add(name)
    if name in ROW_TAKERS:
        columns = map(_row_of, body.get("args", ()))
        walk.row_places.update(id(each) for each in columns if each is not None)


def _cast(_walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    judge_type(body["typeName"])


def _collation(walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    judge_collation(body["collname"], walk.at)


def _session_value(walk: Expressions, body: Node, _scope: Scope, _depth: int) -> None:
    if body["op"] not in SESSION_VALUES:
        name = str(body["op"]).removeprefix("SVFOP_").lower()
        refuse(Code.SESSION_VALUE, f"{name} says who and where you are; only dates do.", walk.at)


def row_columns(node: Node) -> tuple[str, ...]:
    """Return the columns of what a call returns, when they are known and more than one."""
    match node:
        case {"FuncCall": {"funcname": [*_, {"String": {"sval": "unnest"}}], "args": [argument]}}:
            return LEXEMES if _is_tsvector(argument) else ()
        case {"FuncCall": {"funcname": list(names)}}:
            return ROW_COLUMNS.get(strings(names)[-1], ())
    return ()


def _is_tsvector(node: Node) -> bool:
    match node:
        case {"FuncCall": {"funcname": list(names)}}:
            return strings(names)[-1] in TSVECTORS
        case {"TypeCast": {"typeName": {"names": list(names)} as written}}:
            return strings(names)[-1] == "tsvector" and "arrayBounds" not in written
    return False


def _is_of_row(walk: Expressions, body: Node, scope: Scope) -> bool:
    """Return whether ``(t).column`` is ``t.column``."""
    match body["arg"]:
        case {"ColumnRef": {"fields": [{"String": {"sval": str(table)}}]} as row}:
            column = body["indirection"][0]["String"]["sval"]
            found = not walk.has_unknown_columns and scope.has_row(table, column)
        case _:
            return False
    if found:
        walk.row_names.add(id(row))
    return found


def _indirection(walk: Expressions, body: Node, scope: Scope, depth: int) -> None:
    """Let subscripts pass, and a known column of a call or of a table; else it is a call."""
    steps = body["indirection"]
    names = strings(steps[:1])
    if names and (names[0] in row_columns(body["arg"]) or _is_of_row(walk, body, scope)):
        steps = steps[1:]
    for step in steps:
        if "A_Indices" not in step:
            shown = echo(step["String"]["sval"]) if "String" in step else "*"
            text = f"(expression).{shown} would call a function; write t.column for a column of t."
            refuse(Code.ATTRIBUTE_NOTATION, text, walk.at)
        walk.struct("A_Indices", step["A_Indices"], scope, depth + 1)


def _sublink(walk: Expressions, body: Node, scope: Scope, depth: int) -> None:
    if "operName" in body:
        judge_operator(body["operName"], walk.at)
    walk.subquery(body, scope, depth + 1)


def _json(kind: str) -> Callable[[Expressions, Node, Scope, int], None]:
    since = SINCE[kind]

    def judge(walk: Expressions, _body: Node, _scope: Scope, _depth: int) -> None:
        walk.server_major = max(walk.server_major, since)

    return judge


def _json_rows(walk: Expressions, body: Node, scope: Scope, depth: int) -> None:
    _json("JsonArrayQueryConstructor")(walk, body, scope, depth)
    walk.subquery({"subselect": body["query"]}, scope, depth + 1)


_JUDGES: Mapping[str, Callable[[Expressions, Node, Scope, int], None]] = {
    "ColumnRef": _column,
    "A_Expr": _operator,
    "SortBy": _sort,
    "FuncCall": _call,
    "TypeCast": _cast,
    "JsonOutput": _cast,
    "CollateClause": _collation,
    "SQLValueFunction": _session_value,
    "A_Indirection": _indirection,
    "SubLink": _sublink,
    **{kind: _json(kind) for kind in SINCE},
    "JsonArrayQueryConstructor": _json_rows,
}

_KNOWN: Mapping[str, tuple[Code, str]] = {
    "SelectStmt.intoClause": (Code.SELECT_INTO, "INTO makes a table; leave it out."),
    "SelectStmt.lockingClause": (
        Code.ROW_LOCK,
        "Rows cannot be locked; leave out for update or for share.",
    ),
    "ParamRef": (Code.PARAMETER, "Parameters such as $1 have no value here; write the value."),
    "RangeTableSample.repeatable": (
        Code.CONSTRUCT,
        "REPEATABLE cannot be used; a sample is another one each time.",
    ),
    "RangeVar.catalogname": (Code.UNKNOWN_TABLE, "Only this database can be asked."),
    "XmlExpr": (Code.CONSTRUCT, "XML cannot be used in a question."),
    "RangeTableFunc": (Code.CONSTRUCT, "XMLTABLE cannot be used in a question."),
    "SetToDefault": (Code.CONSTRUCT, "DEFAULT has no meaning in a question."),
}
