"""Honest questions pass the guard, run on the server, and touch only what they may."""

import json
from collections.abc import Iterator
from typing import LiteralString, cast

import psycopg
import pytest
from benign_questions import statements
from server_oracle import used_by

from meterr.query import Catalogue, GuardedQuery, guard
from meterr.query.functions import FUNCTIONS
from meterr.query.operators import OPERATORS

QUESTIONS = statements("benign")
# What the server makes of JSON_ARRAY(select ...) and its kin: no call was written.
BEHIND_JSON = {"json_agg_strict", "jsonb_agg_strict", "json_agg", "json_object_agg"}


def accepted(sql: str, catalogue: Catalogue) -> GuardedQuery:
    verdict = guard(sql, catalogue)
    assert isinstance(verdict, GuardedQuery), f"{verdict} for {sql}"
    return verdict


def test_there_are_at_least_300_honest_questions() -> None:
    """Issue 5: at least 300 of our own, in many styles."""
    assert 300 <= len({text for _, text in QUESTIONS})


@pytest.mark.parametrize(("name", "sql"), QUESTIONS, ids=[name for name, _ in QUESTIONS])
def test_an_honest_question_passes_and_runs(
    name: str, sql: str, catalogue: Catalogue, demo: psycopg.Connection
) -> None:
    """Issue 5: less than 0.5 % refused. The original bytes run, and have the columns we said."""
    question = accepted(sql, catalogue)
    assert sql.encode() == question.sql

    cursor = demo.execute(question.sql)

    described = tuple(column.name for column in cursor.description or ())
    assert described == question.columns
    cursor.fetchall()


@pytest.mark.parametrize(("name", "sql"), QUESTIONS, ids=[name for name, _ in QUESTIONS])
def test_the_server_finds_in_it_what_the_guard_found(
    name: str, sql: str, catalogue: Catalogue, demo: psycopg.Connection
) -> None:
    """The server's own analysis: no relation, function or operator that is not in a list."""
    question = accepted(sql, catalogue)

    used = used_by(demo, question.body.decode())

    assert {f"{schema}.{table}" for schema, table in question.relations} == used.relations
    assert used.functions <= FUNCTIONS
    assert used.functions - BEHIND_JSON <= question.functions <= FUNCTIONS
    assert used.operators <= OPERATORS
    # 0 is a whole row: of a subquery, for no relation's is among the columns.
    assert all(number >= 0 for number in used.attributes)
    assert not {column for column in used.columns if column[1] == "*"}
    assert used.casts <= casts_of(demo)


@pytest.mark.parametrize(("name", "sql"), QUESTIONS, ids=[name for name, _ in QUESTIONS])
def test_its_plan_reads_only_relations_of_the_catalogue(
    name: str, sql: str, catalogue: Catalogue, demo: psycopg.Connection
) -> None:
    """What will really be scanned and called in FROM, from EXPLAIN."""
    question = accepted(sql, catalogue)

    explained = demo.execute(b"explain (verbose, format json) " + question.sql).fetchone()

    assert explained
    nodes = list(plan_nodes(explained[0]))
    scanned = {(n["Schema"], n["Relation Name"]) for n in nodes if "Relation Name" in n}
    assert scanned <= question.relations
    assert {n["Function Name"] for n in nodes if "Function Name" in n} <= question.functions


def plan_nodes(plan: object) -> Iterator[dict[str, str]]:
    if isinstance(plan, list):
        for each in plan:
            yield from plan_nodes(each)
    if isinstance(plan, dict):
        yield cast("dict[str, str]", plan)
        for each in plan.values():
            yield from plan_nodes(each)


def casts_of(connection: psycopg.Connection) -> set[int]:
    rows = connection.execute("select castfunc::int from pg_cast where castfunc <> 0")
    return {row[0] for row in rows}


def test_a_question_runs_on_every_server_that_is_here(
    every_demo_dsn: str, catalogue: Catalogue
) -> None:
    """
    An older server may miss a function or a notation. Nothing else may differ.

    42883: no such function. 42601: its grammar has no such notation.
    """
    with psycopg.connect(every_demo_dsn, autocommit=True) as connection:
        missing = []
        for name, sql in QUESTIONS:
            try:
                connection.execute(accepted(sql, catalogue).sql)
            except (psycopg.errors.UndefinedFunction, psycopg.errors.SyntaxError):
                missing.append(name)
        assert len(missing) <= len(QUESTIONS) / 20


def test_the_body_can_stand_in_brackets(catalogue: Catalogue, demo: psycopg.Connection) -> None:
    """A row cap goes around it: neither a semicolon nor a comment at its end can break out."""
    for sql in (
        "select 1 as a;",
        "select 1 as a -- end",
        "/* x */ select 1 as a ; ; ",
        "select 1 a",
    ):
        body = accepted(sql, catalogue).body
        row = demo.execute(b"select * from (" + body + b"\n) q limit 2").fetchone()
        assert row == (1,)


def test_the_plan_walk_sees_functions_and_relations_inside() -> None:
    """The check itself can fail."""
    plan = json.loads('[{"Plan": {"Plans": [{"Relation Name": "x", "Schema": "y"}]}}]')
    assert [("y", "x")] == [
        (n["Schema"], n["Relation Name"]) for n in plan_nodes(plan) if "Schema" in n
    ]


def test_the_oracle_sees_what_hides(demo: psycopg.Connection) -> None:
    """The check itself can fail: attribute notation, whole rows, system columns, other schemas."""
    query = "select c.pg_column_size, c.ctid, c, pg_sleep(0) from calls c, pg_class"
    used = used_by(demo, cast("LiteralString", query))
    assert {"pg_column_size", "pg_sleep"} <= used.functions
    assert {"public.calls", "pg_class"} == used.relations
    assert {-1, 0} <= used.attributes
    assert {("calls", "ctid"), ("calls", "*")} <= used.columns
