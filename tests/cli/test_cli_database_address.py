"""A database on another machine proves who it is, or somebody says that it need not."""

from pathlib import Path

import pytest

from support.command_line import CommandLine

_ADDRESS = "postgresql://meterr:canary-7d1f@db.invalid:1/meterr?connect_timeout=2"
_PROVEN = f"{_ADDRESS}&sslmode=verify-full"


@pytest.mark.parametrize("command", [["key", "list"], ["db", "migrate"]])
def test_that_takes_any_server_is_refused_before_anything_is_sent(
    meterr: CommandLine, command: list[str]
) -> None:
    """S2:39, P6: exit 2 with the way out; the password goes neither there nor into the text."""
    result = meterr(*command, METERR_DATABASE_URL=f"{_ADDRESS}&sslmode=require")
    assert (2, "") == (result.status, result.out)
    assert "sslmode=verify-full" in result.err
    assert "METERR_DATABASE_TLS" in result.err
    assert "canary" not in result.err


@pytest.mark.parametrize("command", ["serve", "up"])
def test_no_gateway_starts_with_one_that_takes_any_server(
    meterr: CommandLine, tmp_path: Path, command: str
) -> None:
    """S2:39: refused at start, not when somebody has listened."""
    variables = {"METERR_DATABASE_URL": _ADDRESS, "METERR_SERVER__PORT": "0", "OPENAI_API_KEY": "x"}
    other = CommandLine({**meterr.environment, **variables}, tmp_path)
    with other.process(command) as process:
        _, said = process.communicate(timeout=60)
    assert 2 == process.returncode
    assert "sslmode=verify-full" in said
    assert "canary" not in said


def test_of_the_administrator_is_held_to_the_same(meterr: CommandLine) -> None:
    """S2:39: the login that sees every row is worth more than the other."""
    result = meterr(
        "db", "backup", "b.age", "--recipient", "age1x", METERR_DATABASE_ADMIN_URL=_ADDRESS
    )
    assert 2 == result.status
    assert "database_admin_url" in result.err
    assert "canary" not in result.err


@pytest.mark.parametrize(
    "command",
    [
        ["query", "status"],
        ["ask", "--sql", "select 1"],
        ["query", "list"],
        ["query", "save", "calls", "--sql", "select count(*) from calls"],
    ],
    ids=" ".join,
)
def test_of_the_one_login_for_questions_is_held_to_the_same(
    meterr: CommandLine, command: list[str]
) -> None:
    """S2:39: every tenant's questions and answers go over that connection."""
    result = meterr(*command, METERR_QUERY__READER_URL=_ADDRESS)
    assert 2 == result.status
    assert "query.reader_url" in result.err
    assert "canary" not in result.err


@pytest.mark.parametrize(
    "variables",
    [
        {"METERR_DATABASE_URL": _PROVEN},
        {"METERR_DATABASE_URL": _ADDRESS, "PGSSLMODE": "verify-full"},
        {"METERR_DATABASE_URL": _ADDRESS, "METERR_DATABASE_TLS": "any"},
    ],
)
def test_that_proves_itself_or_need_not_is_connected_to(
    meterr: CommandLine, variables: dict[str, str]
) -> None:
    """S2:39: the address, libpq's own variable or the operator's word; then only nobody answers."""
    result = meterr("key", "list", **variables)
    assert 1 == result.status
    assert "METERR_DATABASE_TLS" not in result.err
