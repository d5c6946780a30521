"""Names and values as SQL text, so that they can be nothing else. Pure: nothing runs here."""

import re

from meterr.query.language.words.model import RelationWords
from meterr.query.parser import parse
from meterr.query.refusal import Refused

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_SPLIT_BEFORE_AMPERSAND = re.compile(r"(?<=[uU])(?=&)")
_ONE_TARGET = frozenset({"targetList", "fromClause", "limitOption", "op"})


def name(text: str) -> str:
    """Return an identifier, in quotes unless PostgreSQL reads it as a column name without them."""
    return text if _PLAIN.fullmatch(text) and _is_bare(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _is_bare(text: str) -> bool:
    """Ask the parser itself, so that no list of reserved words can lag behind it."""
    try:
        (statement,) = parse(f"select {text}, x.{text} as {text}".encode())
        first = statement.stmt["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
        return bool(first["ColumnRef"]["fields"] == [{"String": {"sval": text}}])
    except (Refused, ValueError, KeyError):
        return False


def qualified(relation: RelationWords) -> str:
    """Return a relation as FROM names it."""
    return f"{name(relation.schema)}.{name(relation.name)}"


def column(relation: str, column_name: str) -> str:
    """Return a column with its relation before it."""
    return f"{name(relation)}.{name(column_name)}"


def text(value: str) -> str:
    """
    Return a text literal. Relies on ``standard_conforming_strings``, as the guard does.

    ``U&`` is written in two pieces: before a quote, the guard takes it for an escape.
    """
    pieces = [_literal(piece) for piece in _SPLIT_BEFORE_AMPERSAND.split(value)]
    return pieces[0] if len(pieces) == 1 else f"({' || '.join(pieces)})"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def containing(value: str) -> str:
    """Return the LIKE pattern that finds ``value`` anywhere; its wildcards mean themselves."""
    return text("%" + re.sub(r"([\\%_])", r"\\\1", value) + "%")


def aggregate(relation: RelationWords, expression: str) -> str:
    """Return the statement that reads one metric over a whole relation."""
    return "\n".join(["select", f"  {expression} as value", f"from {qualified(relation)}"])


def is_one_expression(expression: str) -> bool:
    """
    Return whether ``expression`` stays an expression wherever the compiler puts it.

    No comment, no second column, no clause of its own: judged by the parser with something
    before and behind it.
    """
    if any(mark in expression for mark in ("--", "/*", ";", "\0")):
        return False
    trial = "\n".join(["select", f"  0 as before, {expression} as value", "from t"])
    try:
        statements = parse(trial.encode())
        body = statements[0].stmt["SelectStmt"]
    except (Refused, KeyError, IndexError, ValueError):
        return False
    return len(statements) == 1 and set(body) <= _ONE_TARGET and len(body["targetList"]) == 2
