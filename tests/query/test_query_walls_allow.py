"""What the guard lets through, the walls let through: hardening takes nothing that is needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from benign_questions import statements
from psycopg.conninfo import make_conninfo

from support import server
from support.walled import Walled, open_walled


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest) -> Iterator[Walled]:
    binaries: Path = request.param
    with open_walled(binaries) as opened:
        yield opened


@pytest.fixture(scope="module")
def demo_dsn(walled: Walled) -> str:
    """How a tenant's login gets at the demo's tables, behind the walls."""
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        script = (Path(__file__).parent / "demo.sql").read_text()
        admin.execute("create schema demo; set search_path = demo")
        admin.execute(script.encode())
        admin.execute("grant usage on schema demo to meterr_reader")
        admin.execute("grant select on all tables in schema demo to meterr_reader")
    options = "-c search_path=pg_catalog,demo -c statement_timeout=20s"
    return make_conninfo(walled.as_tenant(), options=options)


# What an older server says that does not have a function or a notation.
MISSING = {"42883", "42601", "42704", "42703", "22023", "42P01", "22P02"}


def lacks_a_right(tenant: psycopg.Connection, text: str) -> bool:
    state = None
    try:
        tenant.execute(re.sub(r'"?public"?\s*\.', "demo.", text).encode()).fetchall()
    except psycopg.Error as error:
        state = error.sqlstate
    tenant.rollback()
    assert state in {None, "42501", *MISSING}, text
    return state == "42501"


def test_what_the_guard_lets_through_the_walls_let_through(demo_dsn: str) -> None:
    """Hardening takes nothing that an honest question needs: no statement lacks a right."""
    with psycopg.connect(demo_dsn) as tenant:
        lacking = [name for name, text in statements("benign") if lacks_a_right(tenant, text)]
    assert [] == lacking


@pytest.mark.parametrize(
    "value",
    ["5", "5::int8", "1.5", "1.5::float8", "'{}'::jsonb", "array[1, 2]", "'a'::name", "'1'::text",
     "uuid '00000000-0000-0000-0000-000000000001'", "int4range(1, 5)", "b'101'", "inet '10.0.0.1'",
     "interval '1 day'", "date '2026-01-01'", "true", "'\\x00'::bytea", "extract(year from now())"],
)  # fmt: skip
@pytest.mark.parametrize(
    "question", ["select ({0})::text", "select 'a: ' || ({0})", "select ({0})::text::varchar(40)",
                 "select quote_literal({0})", "select concat({0}, {0})", "select to_json({0})"],
)  # fmt: skip
def test_a_constant_becomes_text_behind_the_walls(demo_dsn: str, question: str, value: str) -> None:
    """The planner computes what is constant by calling the type's output; so a question may."""
    with psycopg.connect(demo_dsn) as tenant:
        assert not lacks_a_right(tenant, question.format(value))
