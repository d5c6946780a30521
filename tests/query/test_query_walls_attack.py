"""Guard off: whatever a tenant's login says, it sees its own rows and leaves nothing."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from benign_questions import statements
from escapes import (
    SESSIONS,
    calls_in_every_position,
    calls_of_every_function,
    reads_of_every_relation,
)
from saying import rows_of, said_to, shortened

from meterr.core.errors import MeterrError
from meterr.query.run import Limits
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.execution import execute
from support import server
from support.walled import CANARY, B, Walled, open_walled

LIMITS = Limits(timeout_s=1, cost_max=float("inf"), rows_max=1000)
# Statements that the server keeps no trace of and whose refusal it leaves to nobody; see the docs.
NEVER_PREPARED = ("listen", "notify", "unlisten")


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def walled(request: pytest.FixtureRequest) -> Iterator[Walled]:
    binaries: Path = request.param
    with open_walled(binaries) as opened:
        yield opened


@pytest.fixture
def unchanged(walled: Walled) -> Iterator[Walled]:
    """Fails the test when anything in the database is not as it was."""
    before = walled.fingerprint()
    yield walled
    after = walled.fingerprint()
    assert {} == {
        name: (before[name], after.get(name)) for name in before if before[name] != after.get(name)
    }
    assert before.keys() == after.keys()


def foreign(text: object) -> bool:
    said = str(text)
    return CANARY in said or B in said or B.replace("-", "") in said


def hostile() -> list[str]:
    return [shortened(text) for _, text in statements("hostile")]


def test_the_walls_are_whole(walled: Walled) -> None:
    """Issue 5: mode A, read back from the server, on every PostgreSQL of this machine."""
    assert walled.hardening is not None
    assert ("A", ()) == (walled.hardening.mode, walled.hardening.remaining)


def test_a_tenant_sees_its_rows(walled: Walled) -> None:
    """Or nothing below would show anything."""
    heard = said_to(walled.as_tenant(), ["select model from calls", "select name from keys"])
    assert 41 == rows_of(heard)
    assert {("own",)} == set(heard)


def test_every_written_attack_is_said_to_the_server_itself(unchanged: Walled) -> None:
    """Issue 5, guard off: 0 foreign rows, 0 state change."""
    dsn = unchanged.as_tenant()
    told = [text for text in hostile() if not text.lower().startswith(NEVER_PREPARED)]
    assert len(told) > 300
    crossed = [text for text in told if any(map(foreign, said_to(dsn, [text])))]
    # What the attack itself says comes back in an error; rows would come back as rows.
    assert [] == [text for text in crossed if not foreign(text)]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session[-1][:40])
def test_no_session_of_several_statements_crosses(walled: Walled, session: tuple[str, ...]) -> None:
    """S2:60: roles, settings, cursors, COPY, DO, PREPARE, EXPLAIN, transactions that may write."""
    heard = said_to(walled.as_tenant(), session)
    assert [] == [said for said in heard if CANARY in str(said)]


def test_no_session_of_several_statements_leaves_anything(unchanged: Walled) -> None:
    """The same ones again, one after the other."""
    dsn = unchanged.as_tenant()
    answered = [said_to(dsn, session) for session in SESSIONS]
    silent = [session for session, said in zip(SESSIONS, answered, strict=True) if not said]
    assert [("select model::int from calls where model <> 'own'",)] == silent  # no row, no cast


def test_no_call_crosses_from_any_position(unchanged: Walled) -> None:
    """S2:60, issue 5: set_config and all that is like it, in each place that SQL has for a call."""
    texts = list(calls_in_every_position())
    assert len(texts) > 2_500
    heard = said_to(unchanged.as_tenant(), texts)
    assert [] == [said for said in heard if CANARY in str(said)]


def test_no_relation_shows_what_is_not_ones_own(unchanged: Walled) -> None:
    """Every table, partition, view, sequence and catalogue, by its full name and without."""
    texts = list(reads_of_every_relation(unchanged.admin_dsn))
    assert len(texts) > 500
    heard = said_to(unchanged.as_tenant(), texts)
    assert [] == [said for said in heard if foreign(said)]
    # The views, each said four times: two of these by rows, two by a figure.
    assert rows_of(heard) < 1_000


def test_no_function_of_the_server_can_be_called_unless_it_only_computes(
    unchanged: Walled,
) -> None:
    """Every function of pg_proc: the server itself refuses all that the guard's list has not."""
    texts = list(calls_of_every_function(unchanged.admin_dsn))
    heard = said_to(unchanged.as_tenant(), texts)
    denied = [said for said in heard if "permission denied" in str(said)]
    assert len(texts) > 3_000
    assert len(denied) > 1_000
    assert [] == [said for said in heard if foreign(said)]


def test_the_planner_knows_no_value_of_others(walled: Walled) -> None:
    """
    What a question is expected to cost says nothing of other tenants' values.

    Or whether it is too costly does, for one guess after another: `model < 'g'`.
    """
    with psycopg.connect(walled.admin_dsn, autocommit=True) as admin:
        admin.execute("analyze")
        measured = admin.execute(
            """select tablename, attname from pg_stats
                where schemaname = 'meterr'
                  and has_column_privilege('meterr_reader', format('meterr.%I', tablename),
                                           attname, 'select')
                  and attname not in ('tenant_id', 'at', 'hour', 'day')"""
        ).fetchall()
    assert [] == measured
    with psycopg.connect(walled.as_tenant(), autocommit=True) as session:
        for view, column in (("calls", "model"), ("keys", "name"), ("costs_daily", "model")):
            plans = {
                str(session.execute(f"explain {text}".encode()).fetchall()).replace(guess, "?")
                for guess in (CANARY, "nobody-has-this")
                for text in (f"select * from {view} where {column} = '{guess}'",)
            }
            assert 1 == len(plans), plans


async def test_what_runs_as_a_question_crosses_nothing_either(unchanged: Walled) -> None:
    """The same through our own execution with the guard left out: in brackets, in one statement."""
    dsn = unchanged.as_tenant()
    texts = [*hostile(), *(text for session in SESSIONS for text in session)]
    texts += ["select 1) q; set role meterr_owner; select * from (select 1", "select 1; select 2"]
    texts += ["select 1) as question limit 1 --", "select 1) q; commit; select (1"]
    texts += ["select 1) q union select x from (select model as x from meterr.ledger_entry"]
    answers: list[object] = []
    errors: list[MeterrError] = []
    for text in texts:
        async with QuestionConnection.opened(dsn, LIMITS) as connection:
            try:
                _, rows, _ = await execute(connection, text.encode(), LIMITS)
                answers += rows
            except MeterrError as error:
                errors.append(error)
    assert answers
    assert [] == [each for each in [*answers, *errors] if foreign(each)]
    # Not even a traceback goes on to the server's own words.
    assert {(True, None)} == {(each.__suppress_context__, each.__cause__) for each in errors}
