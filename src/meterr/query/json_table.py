"""Judge JSON_TABLE, which makes rows of JSON with columns that the statement names. Pure."""

from meterr.query.expressions import Expressions, refuse_construct
from meterr.query.grammar import SHAPES, SINCE
from meterr.query.names import Node
from meterr.query.scope import Scope
from meterr.query.type_names import judge_type


def judge_json_table(walk: Expressions, body: Node, scope: Scope, depth: int) -> tuple[str, ...]:
    """Judge all of it but its alias, and return its columns. ``scope`` sees what is to its left."""
    walk.server_major = max(walk.server_major, SINCE["JsonFuncExpr"])
    _fields(walk, "JsonTable", body, depth)
    walk.struct("JsonValueExpr", body["context_item"], scope, depth + 1)
    _judge_path(walk, body, scope, depth)
    for each in body.get("passing", ()):
        walk.expression(each, scope, depth + 1)
    _judge_behaviour(walk, body, scope, depth)
    return _columns(walk, body["columns"], scope, depth + 1)


def _columns(walk: Expressions, columns: list[Node], scope: Scope, depth: int) -> tuple[str, ...]:
    """Return the names in the server's order: those of nested paths come last."""
    own: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    for each in columns:
        column = each["JsonTableColumn"]
        _fields(walk, "JsonTableColumn", column, depth)
        _judge_path(walk, column, scope, depth)
        _judge_behaviour(walk, column, scope, depth)
        if column["coltype"] == "JTC_NESTED":
            nested += _columns(walk, column["columns"], scope, depth + 1)
            continue
        if "typeName" in column:
            judge_type(column["typeName"])
        if "format" in column:
            walk.struct("JsonFormat", column["format"], scope, depth + 1)
        own += (column["name"],)
    return own + nested


def _judge_path(walk: Expressions, body: Node, scope: Scope, depth: int) -> None:
    if path := body.get("pathspec"):
        _fields(walk, "JsonTablePathSpec", path, depth)
        walk.expression(path["string"], scope, depth + 1)


def _judge_behaviour(walk: Expressions, body: Node, scope: Scope, depth: int) -> None:
    for field in ("on_empty", "on_error"):
        if field in body:
            walk.struct("JsonBehavior", body[field], scope, depth + 1)


def _fields(walk: Expressions, kind: str, body: Node, depth: int) -> None:
    walk.enter(body, depth)
    if extra := body.keys() - SHAPES[kind].fields:
        refuse_construct(f"{kind}.{min(extra)}", walk.at)
