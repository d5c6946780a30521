"""What must never run is refused, by its kind, its names, and in every position."""

import re
from collections.abc import Iterator
from pathlib import Path

import postgast
import psycopg
import pytest
from benign_questions import statements
from google.protobuf import descriptor_pb2

from meterr.query import Catalogue, Code, GuardedQuery, Refusal, guard
from meterr.query.functions import FUNCTIONS
from meterr.query.parser import parse
from meterr.query.refusal import Refused

HOSTILE = statements("hostile")
# Nodes that only a server makes, or that stand inside others.
NOT_WRITTEN = {"RawStmt", "SelectStmt", "SetOperationStmt", "ReturnStmt", "PLAssignStmt"}
NOT_WRITTEN |= {"ReplicaIdentityStmt"}

POSITIONS = [
    "select {0}", "select {0} as x from calls", "select * from {0}", "select * from {0} as x(a)",
    "select * from calls, lateral {0} x", "select * from rows from ({0}) x",
    "select * from calls where {0} is null", "select 1 from calls group by {0}",
    "select 1 from calls having {0} is null", "select model from calls order by {0}",
    "select distinct on ({0}) model from calls", "select 1 limit {0}", "select 1 offset {0}",
    "select sum(1) over (partition by {0}) from calls",
    "select sum(1) over (order by {0}) from calls",
    "select sum(1) over w from calls window w as (order by {0})",
    "select count(*) filter (where {0} is null) from calls", "select array_agg(1 order by {0})",
    "select percentile_cont(0.5) within group (order by {0})", "select lower({0}::text)",
    "select {0}::text", "select cast({0} as text)", "select ({0})", "select ({0})[1]",
    "select (array[1])[{0}]", "select array[{0}]", "select row({0}, 1)", "select ({0}, 1) = (1, 1)",
    "select case when {0} is null then 1 end", "select case {0} when 1 then 1 end",
    "select case when true then {0} end", "select coalesce(null, {0})", "select greatest(1, {0})",
    "select nullif({0}, 1)", "select 1 + {0}", "select -{0}", "select {0} is null",
    "select {0} between 1 and 2", "select 1 between {0} and 2", "select {0} in (1, 2)",
    "select 1 in (1, {0})", "select {0} like 'a'", "select 'a' like 'a' escape {0}",
    "select {0} = any (array[1])", "select 1 = any ({0})", "select not {0}", "select true and {0}",
    "select {0} is distinct from 1", "select {0} collate \"C\"", "select {0} at time zone 'UTC'",
    "select exists (select {0})", "select (select {0})", "select array(select {0})",
    "select 1 in (select {0})", "select 1 where exists (select 1 from {0} y)",
    "with x as (select {0}) select 1 from x", "with x as materialized (select {0}) select 1",
    "with recursive x(a) as (select 1 union all select {0}) select 1 from x",
    "select 1 union all select {0}", "select {0} union select 1", "select 1 except (select {0})",
    "select * from (values ({0})) v", "select * from (select {0}) q",
    "select 1 from calls c join models m on {0} is null", "select * from unnest(array[{0}]) u",
    "select jsonb_path_query('[]', ({0})::text::jsonpath)", "select json_object('a': {0})",
    "select json_value('[]', '$' passing {0} as x)", "select grouping({0})",
    "select count(*) from calls group by rollup ({0})", "select jsonb '[]' -> {0}",
    "select extract(year from {0})", "select substring('a' from {0})",
    "select make_date(year => {0})",
]  # fmt: skip

# Other ways to write a call of f with an argument of its own.
NOTATIONS = [
    "select calls.{0} from calls", "select c.{0} from calls c",
    "select public.calls.{0} from calls",
    "select (c).{0} from calls c", "select (c.model).{0} from calls c", "select ('x').{0}",
    "select (1).{0}", "select (select 1).{0}", "select (array[1]).{0}",
    "select q.{0} from (select 1) q",
    "select x.{0} from generate_series(1, 2) x", "select (now()).{0}", "select {0} from calls c",
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql"), HOSTILE, ids=[name for name, _ in HOSTILE])
def test_a_hostile_statement_is_refused_with_a_sentence(
    name: str, sql: str, catalogue: Catalogue
) -> None:
    """Issue 5: set_config in every disguise, roles, catalogue, files, SQL in strings, writing."""
    refusal = guard(sql, catalogue)
    assert isinstance(refusal, Refusal), sql
    assert refusal.code is not Code.NOT_UNDERSTOOD
    assert 15 < len(refusal.sentence) < 500


@pytest.mark.parametrize(
    "sql",
    [
        "TABLE users",
        "table pg_catalog.pg_authid",
        "DO $$begin execute 'DR'||'OP TA'||'BLE us'||'ers'; end$$",
        "select query_to_xml('DR'||'OP TABLE users', true, false, '')",
    ],
)
def test_what_has_none_of_the_blocked_words_is_refused_all_the_same(
    sql: str, catalogue: Catalogue
) -> None:
    """S2:69: two statements got past the list of words there, one of which drops a table."""
    assert isinstance(guard(sql, catalogue), Refusal)


@pytest.mark.parametrize(
    "sql",
    [
        "select 'please select a name and update the table' as said",
        "select count(*) as \"drop\" from calls where model <> 'delete from users; --'",
        "select model from calls -- insert, update, delete, drop",
    ],
)
def test_a_blocked_word_that_does_nothing_is_a_word(sql: str, catalogue: Catalogue) -> None:
    """S2:69: there, plain English is refused. Here words are judged by what they do."""
    assert isinstance(guard(sql, catalogue), GuardedQuery)


def test_there_are_at_least_300_hostile_statements() -> None:
    """Issue 5: written ones, beside those that are generated."""
    assert 300 <= len({text for _, text in HOSTILE})


def test_every_kind_of_statement_of_the_grammar_is_refused(catalogue: Catalogue) -> None:
    """S2:69: of the grammar's statements SELECT alone passes; each kind has at least one attack."""
    kinds = {name for name in grammar_messages() if name.endswith("Stmt")} - NOT_WRITTEN
    assert len(kinds) > 110
    tried = set()
    for _, sql in HOSTILE:
        try:
            tried |= {kind for statement in parse(sql.encode()) for kind in statement.stmt}
        except Refused:  # what does not parse is judged above
            continue
    assert set() == kinds - tried
    for _, sql in statements("hostile"):
        assert isinstance(guard(sql, catalogue), Refusal)


def grammar_messages() -> Iterator[str]:
    """Yield the name of every node of the grammar, from the description in the parser's wheel."""
    described = descriptor_pb2.FileDescriptorSet()
    path = Path(postgast.__file__).parent / "pg_query.desc"
    described.ParseFromString(path.read_bytes())
    for file in described.file:
        yield from (message.name for message in file.message_type)


def server_functions(dsn: str) -> set[str]:
    """Return the name of every function, procedure and aggregate that the server has."""
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("select distinct proname from pg_proc")}


def quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("position", POSITIONS)
def test_no_function_of_the_server_passes_anywhere_unless_it_is_listed(
    position: str, demo_dsn: str, catalogue: Catalogue
) -> None:
    """Issue 5: every function of pg_proc, in every syntactic position."""
    unlisted = server_functions(demo_dsn) - FUNCTIONS
    assert len(unlisted) > 2_000
    calls = ("{0}()", "{0}('x')", "pg_catalog.{0}(1, 2)")
    texts = (
        position.format(calls[number % len(calls)].format(quoted(name)))
        for number, name in enumerate(sorted(unlisted))
    )
    assert [] == [text for text in texts if isinstance(guard(text, catalogue), GuardedQuery)]


@pytest.mark.parametrize("position", POSITIONS)
def test_the_positions_themselves_are_ones_that_a_listed_function_may_take(
    position: str, catalogue: Catalogue
) -> None:
    """Or the test above would only show that the notation is refused."""
    assert isinstance(guard(position.format("cardinality(null)"), catalogue), GuardedQuery)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_no_function_passes_in_the_notation_of_a_column(
    notation: str, demo_dsn: str, catalogue: Catalogue
) -> None:
    """Attribute notation calls any function of one argument, also one that is listed."""
    columns = {column.name for column in catalogue.relations[("public", "calls")].columns}
    names = server_functions(demo_dsn) - columns
    passed = [
        name
        for name in names
        if isinstance(guard(notation.format(f'"{name}"'), catalogue), GuardedQuery)
    ]
    assert [] == passed


def test_treat_is_judged_as_the_call_that_it_is(demo_dsn: str, catalogue: Catalogue) -> None:
    """``TREAT(x AS f)`` parses as ``pg_catalog.f(x)``."""
    passed = {
        name
        for name in server_functions(demo_dsn)
        if isinstance(guard(f"select treat('x' as \"{name}\")", catalogue), GuardedQuery)
    }
    assert "sha256" in passed
    assert passed <= FUNCTIONS


def test_no_relation_of_the_server_passes_unless_it_is_in_the_catalogue(
    demo_dsn: str, catalogue: Catalogue
) -> None:
    """pg_catalog, information_schema, pg_toast: with and without a schema, quoted and not."""
    with psycopg.connect(demo_dsn) as connection:
        rows = connection.execute(
            "select nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace"
        ).fetchall()
    listed = set(catalogue.relations)
    passed = {
        (schema, name)
        for schema, name in rows
        for text in (f'"{schema}"."{name}"', f'"{name}"', f'"{schema}"."{name}" as x(a)')
        if isinstance(guard(f"select 1 from {text}", catalogue), GuardedQuery)
    }
    assert len(rows) > 300
    assert passed == listed


def test_no_type_of_the_server_passes_unless_it_is_listed(
    demo_dsn: str, catalogue: Catalogue
) -> None:
    """Types whose input looks things up: reg*, oid, xml, rows of tables, domains of the schema."""
    with psycopg.connect(demo_dsn) as connection:
        rows = connection.execute("select nspname, typname from pg_type t join pg_namespace n"
                                  " on n.oid = typnamespace").fetchall()  # fmt: skip
    forms = ("select 'x'::{0}", "select cast(null as {0})", "select {0} 'x'", "select 'x'::{0}[]")
    passed = {
        name
        for schema, name in rows
        for form in forms
        for text in (f'"{name}"', f'"{schema}"."{name}"')
        if isinstance(guard(form.format(text), catalogue), GuardedQuery)
    }
    assert not passed & {name for _, name in rows if name.startswith(("reg", "pg_", "_", "xid"))}
    assert not passed & {
        "oid",
        "xml",
        "calls",
        "record",
        "internal",
        "cstring",
        "aclitem",
        "refcursor",
    }
    assert len(passed) < 50
