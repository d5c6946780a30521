"""``meterr query`` and ``meterr ask``: the walls go up, and a question is answered."""

import os

import psycopg
import pytest

from meterr.core.crypto import mint
from support.command_line import CommandLine
from support.rows import insert, row_of

A = "0199aaaa-0000-7000-8000-00000000000a"


@pytest.fixture(scope="module")
def operator(meterr: CommandLine, admin: str) -> CommandLine:
    """The command line of an operator who has keys and an administrator's login."""
    with psycopg.connect(admin) as connection:
        insert(connection, "tenant", {"tenant_id": A, "name": "acme"})
        insert(connection, "ledger_entry", {**row_of("ledger_entry", A), "cost_usd": "0.10"})
    named = {
        "METERR_DATABASE_ADMIN_URL": admin,
        "METERR_KEY_ENCRYPTION_KEY": mint("k1", os.urandom).text(),
    }
    command_line = CommandLine({**meterr.environment, **named}, meterr.folder)
    assert command_line("query", "harden", "--apply").status == 0
    return command_line


def test_the_mode_is_read_back(operator: CommandLine) -> None:
    """Issue 5: the active mode is visible; the exit status says whether anything is left."""
    found = operator("query", "status", "--json")
    assert (0, "A", []) == (found.status, found.json["mode"], found.items)


def test_hardening_shows_first_and_does_it_when_told(operator: CommandLine, admin: str) -> None:
    """Issue 5: --dry-run is what happens without a word."""
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("grant execute on function pg_sleep(double precision) to public")

    shown = operator("query", "harden", "--json")
    assert (3, "B") == (shown.status, shown.json["mode"])
    assert [("function", 1)] == [(item["kind"], item["count"]) for item in shown.items]
    assert "revoke execute on routine pg_sleep" in shown.err

    done = operator("query", "harden", "--apply", "--json")
    assert (0, "A", []) == (done.status, done.json["mode"], done.items)
    assert "nothing to change" in operator("query", "harden", "--apply").err


def test_a_question_is_answered_in_three_forms(operator: CommandLine) -> None:
    """Issue 5: rows for people, JSON and CSV for programs; decimals exact."""
    ask = ("ask", "--tenant", "acme", "--sql", "select provider, 0.10::numeric as usd from calls")
    answer = operator(*ask, "--json")
    assert [["openai", "0.10"]] == answer.json["rows"]
    assert [{"name": "provider", "type": "text"}, {"name": "usd", "type": "number"}] == (
        answer.json["columns"]
    )
    assert ["usage.calls"] == answer.json["relations"]
    assert [["openai", "0.10"]] == operator(*ask).rows
    assert "provider,usd\nopenai,0.10\n" == operator(*ask, "--csv").out


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("delete from calls", "Only SELECT"),
        ("select 1 / (status - status) from calls", "divided by zero"),
        ("select * from pg_roles", "pg_roles"),
    ],
)
def test_a_question_that_is_not_answered_says_why(
    operator: CommandLine, sql: str, said: str
) -> None:
    """One sentence of ours on standard error."""
    refused = operator("ask", "--tenant", "acme", "--sql", sql)
    assert (1, "") == (refused.status, refused.out)
    assert said in refused.err
    assert "mq_" not in refused.err


def test_a_tenant_that_is_not_there_is_said_to_be_so(operator: CommandLine) -> None:
    """And no login is made for it."""
    assert 1 == operator("ask", "--tenant", "nobody", "--sql", "select 1").status
