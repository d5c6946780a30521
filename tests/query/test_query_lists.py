"""The allow-lists against their subjects: the parser's grammar, and a real server's catalogue."""

from pathlib import Path

import postgast
import psycopg
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from meterr.query import Code
from meterr.query.functions import (
    DEFINED_ROWS,
    ELEMENT_RESULTS,
    FUNCTIONS,
    GROUPS,
    INSTEAD,
    RESULT_NAMES,
    ROW_COLUMNS,
    TEXT_ARRAYS,
    TSVECTORS,
)
from meterr.query.grammar import SHAPES, Shape
from meterr.query.operators import OPERATORS
from meterr.query.type_names import TYPES

# The only functions that do not depend on their arguments alone: the clock and chance.
VOLATILE = {
    "clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "uuidv4",
    "uuidv7", "array_sample", "array_shuffle",
}  # fmt: skip
# Looked up by name, but only among text search configurations.
TEXT_SEARCH = set(GROUPS["text search"].split())
# Types through which a function could reach what is not its arguments.
REACHING = {
    "regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype", "regrole",
    "regnamespace", "regcollation", "refcursor", "internal", "cstring", "xml", "trigger",
    "event_trigger", "pg_lsn", "pg_snapshot", "txid_snapshot", "aclitem", "language_handler",
}  # fmt: skip
DOC = Path(__file__).parents[2] / "docs" / "explanation" / "query-guard.md"


def grammar() -> dict[str, DescriptorProto]:
    described = descriptor_pb2.FileDescriptorSet()
    described.ParseFromString((Path(postgast.__file__).parent / "pg_query.desc").read_bytes())
    return {message.name: message for file in described.file for message in file.message_type}


def fields_of(message: DescriptorProto) -> dict[str, FieldDescriptorProto]:
    """Return the fields by the names that the JSON tree has."""
    return {field.json_name or field.name: field for field in message.field}


@pytest.mark.parametrize(("kind", "shape"), SHAPES.items(), ids=list(SHAPES))
def test_every_shape_is_one_of_the_grammar(kind: str, shape: Shape) -> None:
    """An inert field holds no node: it would not be looked into. A struct is of the named kind."""
    fields = fields_of(grammar()[kind])
    assert shape.fields <= fields.keys()
    nodes = {n for n, field in fields.items() if field.type == FieldDescriptorProto.TYPE_MESSAGE}
    constants = {"ival", "fval", "boolval", "sval", "bsval"} if kind == "A_Const" else set()
    assert constants == shape.inert & nodes
    assert not any(shape.inert & other for other in (shape.children, shape.judged))
    for field, struct in shape.structs.items():
        assert fields[field].type_name == f".pg_query.{struct}"


@pytest.fixture(scope="module")
def functions(demo_dsn: str) -> list[dict[str, object]]:
    """Every overload of every listed function on the newest server."""
    statement = (
        "select proname, provolatile::text, prokind::text, prosecdef, l.lanname, proretset,"
        " prorettype::regtype::text as result, proargtypes::regtype[]::text[] as arguments,"
        " coalesce(proargmodes && '{o,t}', false) as has_out, prosrc from pg_proc p"
        " join pg_language l on l.oid = p.prolang"
        " where proname = any(%s) and pronamespace = 'pg_catalog'::regnamespace"
    )
    with psycopg.connect(demo_dsn, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(statement, [sorted(FUNCTIONS)]).fetchall()


def test_every_listed_function_exists(functions: list[dict[str, object]]) -> None:
    """A name that no server has is a slip, and would let in whatever comes to have it."""
    assert set() == FUNCTIONS - {row["proname"] for row in functions}


def test_no_listed_function_does_more_than_compute(functions: list[dict[str, object]]) -> None:
    """No overload writes, runs as its owner, or depends on more than arguments, clock, chance."""
    assert {False} == {row["prosecdef"] for row in functions}
    assert {"f", "a", "w"} == {row["prokind"] for row in functions}
    assert {"internal", "sql"} == {row["lanname"] for row in functions}
    assert VOLATILE == {row["proname"] for row in functions if row["provolatile"] == "v"}


def test_no_listed_function_takes_or_gives_a_type_that_reaches_further(
    functions: list[dict[str, object]],
) -> None:
    """Names of tables, roles and functions are types of their own on the server; so is XML."""
    found = {
        (row["proname"], kind)
        for row in functions
        for kind in [*map(str, row["arguments"] or []), str(row["result"])]  # type: ignore[call-overload]  # text[] of a row
        if kind.removesuffix("[]") in REACHING
    }
    # No value of these can be made: no cast, no function, no column of the system.
    assert found <= {("min", "pg_lsn"), ("max", "pg_lsn"), ("text", "xml")}


def test_functions_with_rows_or_names_of_their_own_are_known(
    functions: list[dict[str, object]],
) -> None:
    """What FROM makes of them: columns by OUT parameters, else by the alias."""
    with_out = {row["proname"] for row in functions if row["has_out"]}
    assert with_out - {"unnest"} == ROW_COLUMNS.keys() | RESULT_NAMES.keys()
    records = {
        row["proname"] for row in functions if row["result"] == "record" and row["prokind"] == "f"
    }
    assert records - {"unnest"} == ROW_COLUMNS.keys() | DEFINED_ROWS
    elements = {
        row["proname"]
        for row in functions
        if row["result"] in {"anyelement", "anycompatible", "anynonarray"} and row["prokind"] == "f"
    }
    assert elements == ELEMENT_RESULTS
    assert {"tsvector"} == {row["result"] for row in functions if row["proname"] in TSVECTORS}
    texts = {row["result"] for row in functions if row["proname"] in TEXT_ARRAYS}
    assert {"text[]"} == texts


def test_every_listed_operator_and_type_exists(demo_dsn: str) -> None:
    """And every function behind such an operator only computes."""
    with psycopg.connect(demo_dsn) as connection:
        operators = connection.execute(
            "select oprname, provolatile::text from pg_operator o join pg_proc p on p.oid = oprcode"
            " where oprname = any(%s)",
            [sorted(OPERATORS)],
        ).fetchall()
        types = connection.execute("select typname from pg_type where typtype in ('b', 'r', 'm')")
        assert TYPES <= {row[0] for row in types}
    assert set() == OPERATORS - {row[0] for row in operators} - {"!="}  # the parser's word for <>
    assert {"i", "s"} >= {row[1] for row in operators}


def test_what_people_are_told_instead_is_not_itself_refused() -> None:
    """A hint for a function that is listed would never be shown."""
    assert set() == INSTEAD.keys() & FUNCTIONS


def test_every_code_has_its_line_in_the_explanation() -> None:
    """Codes are API: whoever meets one finds what it means."""
    page = DOC.read_text()
    assert [] == [code for code in Code if f"| `{code}` |" not in page]
