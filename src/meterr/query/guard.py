"""
The second wall before a tenant's SQL: one SELECT over the catalogue, or a refusal. Pure.

The first wall is the database's, and neither leans on the other. What is allowed and why:
docs/explanation/query-guard.md.
"""

import re
from collections.abc import Mapping

import msgspec

from meterr.query.catalogue import Catalogue
from meterr.query.expressions import DEPTH_MAX
from meterr.query.parser import BYTES_MAX, Statement, parse
from meterr.query.refusal import Code, Refusal, Refused, position_of, refuse
from meterr.query.statement import StatementWalk

# Statements that people know by another word than the parser's.
_SPOKEN: Mapping[str, str] = {
    "VariableSetStmt": "SET",
    "VariableShowStmt": "SHOW",
    "TransactionStmt": "a transaction",
    "RenameStmt": "ALTER",
}

# Escaped names and texts (U&"..."): nobody needs them to ask, and they hide what is called.
_UNICODE_ESCAPE = re.compile(rb"(?<![\w$\x80-\xff])[uU]&[\"']")


_BRACKET = re.compile(rb"[()\[\]]")

# What the parser reads in a time that grows with the square: 20 kB of these take half a second.
_COMMENTS_MAX = 500
_SIGNS_MAX = 1_000
_SIGNS = re.compile(rb"[-+*/<>=~!@#%%^&|`?]{%d}" % _SIGNS_MAX)


class GuardedQuery(msgspec.Struct, frozen=True):
    """
    A statement that the guard let through; only ``guard`` makes one.

    ``sql`` is the original text as UTF-8, to be executed as it is. ``body`` is the statement in it
    without what ends it, also original bytes: it may be put in brackets when a line break follows,
    since it may end in a comment. ``columns`` are the names of the result, as far as they follow
    from text and catalogue: a function that brings rows of its own may add to them. ``relations``
    are (schema, name). ``is_recursive`` asks for the closest limits that there are.
    ``server_major`` is the oldest PostgreSQL that reads the statement as it was judged.
    """

    sql: bytes
    body: bytes
    columns: tuple[str, ...]
    relations: frozenset[tuple[str, str]]
    functions: frozenset[str]
    is_recursive: bool
    server_major: int


def guard(sql: str, catalogue: Catalogue) -> GuardedQuery | Refusal:
    """
    Judge a text: one SELECT over the catalogue's relations with known functions, or a refusal.

    Never raises, whatever the text; the same text and catalogue give the same answer. What it
    relies on: the session has ``standard_conforming_strings`` on, UTF-8, and the catalogue's search
    path behind ``pg_catalog``. Does not bound time, memory or rows: the session does.
    """
    try:
        text = _encoded(sql)
    except Refused as refused:
        return Refusal(refused.code, refused.sentence)
    walk = StatementWalk(catalogue)
    try:
        return _judged(text, walk)
    except Refused as refused:
        return Refusal(refused.code, refused.sentence, position_of(text, refused.at))
    except RecursionError:
        sentence = "The statement is nested too deeply; split it into WITH queries."
        return Refusal(Code.TOO_DEEP, sentence, position_of(text, walk.at))
    # A tree of a shape that the rules did not expect is unknown, and what is unknown is refused.
    except (LookupError, TypeError, ValueError, AttributeError):
        sentence = "This statement could not be judged; write it in a simpler way."
        return Refusal(Code.NOT_UNDERSTOOD, sentence, position_of(text, walk.at))


def _encoded(sql: str) -> bytes:
    """Return the bytes that will be judged and executed; refuse what is no text, or too much."""
    # A character has at least one byte: what is far too long is not even encoded.
    if len(sql) > BYTES_MAX:
        _refuse_length(f"{len(sql):,} characters")
    try:
        text = sql.encode()
    except UnicodeEncodeError:
        refuse(Code.NOT_TEXT, "The text has half of a surrogate pair, which is no character.")
    if len(text) > BYTES_MAX:
        _refuse_length(f"{len(text):,} bytes")
    if b"\0" in text:
        refuse(Code.NOT_TEXT, "The text has a NUL character.")
    return text


def _refuse_length(size: str) -> None:
    refuse(Code.TOO_LONG, f"The statement has {size}; at most {BYTES_MAX:,} bytes are read.")


def _judged(text: bytes, walk: StatementWalk) -> GuardedQuery:
    if escape := _UNICODE_ESCAPE.search(text):
        sentence = 'Names and texts written as U&"..." cannot be used; write the characters.'
        refuse(Code.UNICODE_ESCAPE, sentence, escape.start())
    if len(text) > _SIGNS_MAX:
        _refuse_slow(text)
    if _brackets_deep(text):
        refuse(Code.TOO_DEEP, "The brackets are nested too deeply; split it into WITH queries.")
    statement = _only(parse(text))
    body = _select(statement)
    columns = walk.select(body, None, {}, 0)
    end = statement.stmt_location + statement.stmt_len if statement.stmt_len else len(text)
    return GuardedQuery(
        sql=text,
        body=text[statement.stmt_location : end],
        columns=columns,
        relations=frozenset(walk.relations),
        functions=frozenset(walk.functions),
        is_recursive=walk.is_recursive,
        server_major=walk.server_major,
    )


def _refuse_slow(text: bytes) -> None:
    """Refuse what only an attack on the parser has; ``/*`` in quotes counts as well."""
    if text.count(b"/*") > _COMMENTS_MAX:
        refuse(Code.TOO_LARGE, f"The text has more than {_COMMENTS_MAX} comments.")
    if signs := _SIGNS.search(text):
        sentence = (
            f"There are more than {_SIGNS_MAX:,} signs such as + in a row; that is no operator."
        )
        refuse(Code.TOO_LARGE, sentence, signs.start())


def _brackets_deep(text: bytes) -> bool:
    """
    Return whether brackets alone nest deeper than a statement may.

    The parser drops brackets around an expression, so the tree does not show them. Those in quotes
    count as well: honest text has no hundred of them open.
    """
    if text.count(b"(") + text.count(b"[") <= DEPTH_MAX:
        return False
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth += 1 if bracket in b"([" else -1
        deepest = max(deepest, depth)
    return deepest > DEPTH_MAX


def _only(statements: tuple[Statement, ...]) -> Statement:
    if not statements:
        refuse(Code.EMPTY, "There is no statement in this text.")
    if len(statements) > 1:
        sentence = f"There are {len(statements)} statements in this text; ask one at a time."
        refuse(Code.MANY_STATEMENTS, sentence, statements[1].stmt_location)
    return statements[0]


def _select(statement: Statement) -> dict[str, object]:
    kind, body = next(iter(statement.stmt.items()))
    if kind != "SelectStmt":
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", kind.removesuffix("Stmt")).upper()
        sentence = f"Only SELECT can be asked, not {_SPOKEN.get(kind, words)}."
        refuse(Code.NOT_A_SELECT, sentence, statement.stmt_location)
    result: dict[str, object] = body
    return result
