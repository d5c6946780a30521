"""SQL lives in *.sql files: named, reviewed as SQL, found by whoever changes a table."""

import ast
import re
from collections.abc import Iterator

import pytest
from house_sources import PACKAGE, package_files, place, tree

_OBJECT = (
    r"(TABLE|INDEX|VIEW|ROLE|USER|GROUP|DATABASE|SCHEMA|FUNCTION|PROCEDURE|TRIGGER|POLICY|EXTENSION|"
    r"SEQUENCE|TYPE|DOMAIN|MATERIALIZED|PUBLICATION|SUBSCRIPTION|SYSTEM|DEFAULT|OWNED)"
)
_ADJECTIVES = r"((OR\s+REPLACE|UNIQUE|TEMP|TEMPORARY|UNLOGGED|GLOBAL|LOCAL|CONSTRAINT|IF)\s+)*"
# Each must stand in the text as SQL stands: verb and partner, in this order.
_ANYWHERE = (
    r"SELECT\s.*\sFROM\s",
    r"SELECT\s+([\w.]+\(|\d|NULL|TRUE|FALSE|CURRENT_|SESSION_)",
    r"INSERT\s+INTO\s",
    r"UPDATE\s+\S+\s+(\w+\s+)?SET\s",
    r"DELETE\s+FROM\s",
    r"MERGE\s+INTO\s",
    rf"(CREATE|ALTER|DROP)\s+{_ADJECTIVES}{_OBJECT}\b",
    r"TRUNCATE\s+\w",
    r"GRANT\s+.+\s+(ON|TO)\s",
    r"REVOKE\s+.+\s+(ON|FROM)\s",
    r"COPY\s+.+\s+(FROM|TO)\s",
    r"SET\s+(LOCAL\s+|SESSION\s+)?(ROLE\s|[\w.]+\s+(TO|=)|[\w.]+\s*=)",
    r"(ORDER|GROUP)\s+BY\s",
    r"WHERE\s+[\w.\"]+\s*(=|<|>|!=|IN\b|IS\b|LIKE\b|BETWEEN\b)",
    r"(INNER|LEFT|RIGHT|FULL|CROSS)\s+JOIN\s",
    r"LOCK\s+TABLE\s",
    r"FOR\s+UPDATE\b",
    r"WITH\s+(RECURSIVE\s+)?\w+\s+AS\s*\(",
    r"ON\s+CONFLICT\b",
)
_WHOLE = (
    r"(UN)?LISTEN\s+[\w\"{}]+",
    r"NOTIFY\s+[\w\"{}]+(\s*,.*)?",
    r"(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|CHECKPOINT)(\s.*)?",
    r"(SAVEPOINT|VACUUM|ANALYZE|EXPLAIN|REINDEX|SHOW|RESET|DISCARD|EXECUTE|DEALLOCATE)\s+\w.*",
    r"(CALL|DO)\s+[\w.$]+.*[($].*",
    r"VALUES\s*\(.*",
)
_UPPER_ANYWHERE = re.compile(rf"\b({'|'.join(_ANYWHERE)})", re.DOTALL)
_UPPER_WHOLE = re.compile(rf"({'|'.join(_WHOLE)})\s*;?", re.DOTALL)
# PostgreSQL does not mind the case. A sentence that starts with a capital is prose.
_LOWER_START = re.compile(rf"({'|'.join(_ANYWHERE[:12])})", re.DOTALL | re.IGNORECASE)
_COMMENTS = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)


def is_sql(text: str) -> bool:
    bare = _COMMENTS.sub(" ", text).strip().lstrip("( \n")
    if not bare:
        return False
    is_sentence = bare[:1].isupper() and bare[1:2].islower()
    return bool(
        _UPPER_ANYWHERE.search(f"{bare} ")
        or _UPPER_WHOLE.fullmatch(bare)
        or (not is_sentence and _LOWER_START.match(f"{bare} "))
    )


def text_of(node: ast.AST) -> str:
    """Return the text that an expression builds, with {} for what is known only when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(raw)):
            return raw.decode(errors="replace")
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left) + text_of(right)
        case _:
            return "{}"


def statements(module: ast.Module) -> Iterator[int]:
    """Yield the line of every text that is SQL. Docstrings are prose: nothing can execute them."""
    prose = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        builds_text = isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp)
        if builds_text and id(node) not in prose and is_sql(text_of(node)):
            yield node.lineno


def test_no_sql_lives_outside_sql_files() -> None:
    """S1:98, S1:116, S2:50: statements are in a room's queries.sql and run by its store.py."""
    assert package_files()
    found = {place(path, line) for path in package_files() for line in statements(tree(path))}
    assert set() == found


def test_every_sql_file_is_part_of_the_package() -> None:
    """The rule is worth something only if there are .sql files for it to send people to."""
    assert list(PACKAGE.rglob("*.sql"))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name FROM tenant",
        "select 1",
        "SELECT pg_notify('a', 'b')",
        "-- find\n  SELECT *\n  FROM t",
        "(SELECT a FROM t)",
        "INSERT INTO t VALUES (1)",
        "insert into t values (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "CREATE OR REPLACE FUNCTION f()",
        "CREATE UNLOGGED TABLE t ()",
        "alter role meterr login",
        "DROP DATABASE x",
        "COPY t (a, b) FROM STDIN",
        "LISTEN meterr_identity",
        "NOTIFY x, 'y'",
        "SET ROLE meterr_app",
        "SET LOCAL meterr.tenant_id = 'x'",
        "GRANT a TO b",
        "BEGIN",
        "ROLLBACK;",
        "SHOW server_version",
        "TRUNCATE t",
        " WHERE tenant_id = %s",
        " ORDER BY at",
        "VALUES (1)",
        "WITH a AS (SELECT 1)",
    ],
)
def test_the_scan_sees_sql(text: str) -> None:
    """The scan itself can fail: statements, fragments, either case, in every kind of literal."""
    for source in (f"x = {text!r}", f"x = {text.encode()!r}", f"f({text!r}, 1)"):
        assert list(statements(ast.parse(source))), source


def test_the_scan_sees_sql_in_pieces() -> None:
    """Formatting and concatenation hide nothing."""
    for source in ("f'SELECT {a} FROM {b}'", "'SELECT ' + a + ' FROM ' + b", "'DELETE ' 'FROM t'"):
        assert list(statements(ast.parse(f"x = {source}"))), source


@pytest.mark.parametrize(
    "text",
    [
        "Select the upstream from the configuration.",
        "Create a key; it is shown once.",
        "cannot delete the data directory",
        "DELETE",
        "update the price, then set it",
        "the call is copied from the journal to PostgreSQL",
        "begin",
        "Begin here",
        "Listen on this address.",
        "Set METERR_DATABASE_URL to use another server.",
        "Update meterr, then set the price again.",
        "SELECT",
        "",
    ],
)
def test_the_scan_lets_prose_pass(text: str) -> None:
    """The scan does not cry wolf: people are told things in the words that SQL borrowed."""
    assert [] == list(statements(ast.parse(f"x = {text!r}")))


def test_the_scan_lets_docstrings_pass() -> None:
    """A docstring may quote a statement to explain it."""
    assert [] == list(statements(ast.parse('def f():\n    """SELECT a FROM t."""\n')))
