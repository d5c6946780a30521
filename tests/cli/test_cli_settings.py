"""``meterr config``, ``doctor``, ``price``, ``help`` and what every command has in common."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import meterr as product
from ledger.ledger_rows import entry, insert
from meterr.cli.exits import Exit
from support.certificates import Authority
from support.command_line import PEPPER, CommandLine

_CANARY = "sk-provider-canary-7d1f"
_HEAVY = ("pydantic", "psycopg", "genai_prices", "uvicorn", "uvloop", "asyncio", "msgspec")


@pytest.fixture
def configured(meterr: CommandLine, tmp_path: Path) -> CommandLine:
    """An operator with a provider in the environment and a file that sets the port."""
    file = tmp_path / "meterr.toml"
    file.write_text("[server]\nport = 9001\nkeep_alive_s = 30\n")
    variables = {"METERR_CONFIG": str(file), "METERR_SERVER__PORT": "9002"}
    return CommandLine({**meterr.environment, **variables, "OPENAI_API_KEY": _CANARY}, tmp_path)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that somebody answers on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_each_setting_names_its_source(configured: CommandLine) -> None:
    """S3.2: flag over environment over file over default; `--explain` says which won."""
    found = configured.ok("config", "show", "--explain", "--json")
    by_name = {item["setting"]: item for item in found.items}

    assert "meterr.config/1" == found.json["schema"]
    file = configured.environment["METERR_CONFIG"]
    assert ("9002", "environment") == _of(by_name["server.port"])
    assert ("30", file) == _of(by_name["server.keep_alive_s"])
    assert "default" == by_name["server.host"]["source"]
    assert "preset" == by_name["upstreams.openai.openai_base_url"]["source"]
    assert "environment (OPENAI_API_KEY)" == by_name["upstreams.openai.credential"]["source"]


def _of(item: dict[str, str]) -> tuple[str, str]:
    return item["value"], item["source"]


def test_a_flag_wins_over_everything(configured: CommandLine, tmp_path: Path) -> None:
    """The nearest word counts."""
    found = configured.ok(
        "config", "show", "--explain", "--json", "--data-dir", str(tmp_path / "x")
    )
    (item,) = (each for each in found.items if each["setting"] == "data_dir")
    assert (str(tmp_path / "x"), "flag") == _of(item)


def test_no_secret_is_shown_by_any_command(configured: CommandLine) -> None:
    """Credentials, pepper and the database's password are masked or absent everywhere."""
    password = configured.environment["METERR_DATABASE_URL"].partition("password=")[2].split()[0]
    for arguments in (
        ["config", "show"],
        ["config", "show", "--explain", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["tenant", "list"],
        ["help", "environment"],
    ):
        result = configured(*arguments)
        assert result.status in {Exit.OK, Exit.FINDINGS}
        for secret in (_CANARY, PEPPER, password):
            assert secret not in result.out + result.err


@pytest.mark.parametrize(
    ("variables", "toml", "said"),
    [
        ({"METERR_SERVER__PROT": "1"}, "", "did you mean port?"),
        ({"METERR_SERVER__PORT": "many"}, "", "server.port"),
        ({"METERR_KEY_PEPPER": "canary"}, "", "key_pepper"),
        ({}, "[server]\nprot = 1\n", "did you mean port?"),
        ({}, "[sever]\nport = 1\n", "did you mean server?"),
        ({}, "[upstreams.x]\nprovider = 'p'\nmodel = ['a']\n", "did you mean models?"),
        ({}, "[upstreams.x]\nprovider = 'p'\nmodels = ['a']\n", "openai_base_url"),
        ({}, "not toml", "meterr.toml"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_with_the_nearest_name(
    meterr: CommandLine, tmp_path: Path, variables: dict[str, str], toml: str, said: str
) -> None:
    """Issue 2, bad input: unknown settings and config fields; values are not repeated."""
    (tmp_path / "meterr.toml").write_text(toml)
    result = CommandLine({**meterr.environment, **variables}, tmp_path)("config", "show")
    assert (2, "") == (result.status, result.out), result
    assert said in result.err
    assert "canary" not in result.err
    assert 1 == len(result.err.splitlines())


def test_the_doctor_finds_nothing_where_all_is_well(meterr: CommandLine, listening: int) -> None:
    """Exit 0; every check says what it looked at."""
    upstream = {
        "METERR_UPSTREAMS__OWN__PROVIDER": "own",
        "METERR_UPSTREAMS__OWN__OPENAI_BASE_URL": f"http://127.0.0.1:{listening}/v1",
        "METERR_UPSTREAMS__OWN__MODELS": "own-*",
    }
    found = meterr("doctor", "--json", **upstream)
    verdicts = {item["check"]: item["verdict"] for item in found.items}

    assert "meterr.findings/1" == found.json["schema"]
    fine = ("database", "rollups", "clock", "pepper", "provider own")
    assert dict.fromkeys(fine, "ok").items() <= verdicts.items()
    assert {"data directory", "port", "start-up files"} <= verdicts.keys()
    assert set() == set(verdicts.values()) - {"ok", "warning"}
    assert 0 == found.status


@contextmanager
def silent_provider(tls: ssl.SSLContext) -> Iterator[tuple[int, threading.Event]]:
    """A provider that says nothing after its handshake, and what tells that its caller has left."""
    left = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(20)
        with tls.wrap_socket(connection, server_side=True) as line, suppress(TimeoutError):
            with suppress(ConnectionError):
                while socket.socket.recv(line, 65536):  # below TLS: its goodbye is not the end
                    pass
            left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], left
        finally:
            thread.join()


def test_the_doctor_hangs_up_on_every_provider(meterr: CommandLine, tmp_path: Path) -> None:
    """House: what is opened is closed, also when the other side never says goodbye."""
    authority = Authority.create(tmp_path)
    with silent_provider(authority.server_context("IP:127.0.0.1")) as (port, left):
        upstream = {
            "METERR_UPSTREAMS__OWN__PROVIDER": "own",
            "METERR_UPSTREAMS__OWN__OPENAI_BASE_URL": f"https://127.0.0.1:{port}/v1",
            "METERR_UPSTREAMS__OWN__CA_FILE": str(authority.ca_file),
            "METERR_UPSTREAMS__OWN__MODELS": "own-*",
        }
        found = meterr("doctor", "--json", **upstream)
        assert left.wait(20)
    verdicts = {item["check"]: item["verdict"] for item in found.items}
    assert "ok" == verdicts["provider own"]


def test_the_doctor_names_the_tenants_whose_hours_are_not_summed(
    meterr: CommandLine, dsn: str
) -> None:
    """What the writer of rollups cannot do shows in slow pages only: somebody must say so."""
    made = meterr.ok("tenant", "create", "behind", "--json").items[0]
    insert(dsn, [entry(str(made["tenant_id"]), 1_790_000_000_000)])
    found = meterr("doctor", "--json")
    (rollups,) = (item for item in found.items if item["check"] == "rollups")
    assert "warning" == rollups["verdict"]
    assert "not summed: behind since 2026-09-21T14:00Z" in rollups["detail"]


def test_the_doctor_names_what_is_wrong_and_exits_with_3(
    meterr: CommandLine, tmp_path: Path
) -> None:
    """S3.2: 3 separates findings from failure; what could not be checked is not passed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        upstream = {
            "METERR_UPSTREAMS__OWN__PROVIDER": "own",
            "METERR_UPSTREAMS__OWN__OPENAI_BASE_URL": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "METERR_UPSTREAMS__OWN__MODELS": "own-*",
            "METERR_DATABASE_URL": f"host={tmp_path} user=meterr password=canary",
        }
        found = meterr("doctor", "--json", **upstream)
    verdicts = {item["check"]: item["verdict"] for item in found.items}

    assert 3 == found.status
    assert ("wrong", "unknown", "wrong") == (
        verdicts["database"],
        verdicts["clock"],
        verdicts["provider own"],
    )
    assert "canary" not in found.out + found.err


def test_a_price_of_ones_own_is_kept_with_author_and_reason(meterr: CommandLine) -> None:
    """Issue 2, item 8: the override table has dates, an author and a reason."""
    terms = ("--author", "ada", "--reason", "our machines", "--from", "2026-01-01")
    made = meterr.ok("price", "set", "local", "llama-3", "input=0.10", "output=0", *terms, "--json")
    (item,) = made.items

    assert "meterr.prices/1" == made.json["schema"]
    assert ["input=0.1", "output=0"] == sorted(item["rates"])
    assert ("ada", "our machines", "2026-01-01T00:00:00Z", None) == tuple(
        item[name] for name in ("author", "reason", "effective_from", "effective_to")
    )
    assert item in meterr.ok("price", "list", "--json").items
    assert ["local", "llama-3"] in [row[:2] for row in meterr.ok("price", "list").rows]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["local", "m", "input=1"], "--reason"),
        (["local", "m", "--reason", "r"], "Missing argument 'CLASS=USD"),
        (["local", "m", "input", "--reason", "r"], "CLASS=USD"),
        (["local", "m", "inptu=1", "--reason", "r"], "input"),
        (["local", "m", "input=-1", "--reason", "r"], "input"),
        (["local", "m", "input=NaN", "--reason", "r"], "input"),
        (["local", "m", "input=1", "--reason", "r", "--context", "vip"], "vip"),
        (["local", "m", "input=1", "--reason", "r", "--from", "2026-02-01",
          "--to", "2026-01-01"], "meterr: "),
    ],
)  # fmt: skip
def test_a_price_that_makes_no_sense_is_a_usage_error(
    meterr: CommandLine, arguments: list[str], said: str
) -> None:
    """A wrong price would be a wrong bill for as long as nobody looks."""
    result = meterr("price", "set", *arguments)
    assert (2, "") == (result.status, result.out), result
    assert said.lower() in result.err.lower()


def test_the_exit_statuses_are_documented(meterr: CommandLine) -> None:
    """S3.2: `meterr help exit-codes` names every status that exists, and no other."""
    told = [int(line.split()[0]) for line in meterr.ok("help", "exit-codes").out.splitlines()]
    assert sorted(told) == [status.value for status in Exit]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_version_and_the_help_load_nothing_heavy(arguments: list[str]) -> None:
    """S3.1: completion and --version stay quick because commands load when they are named."""
    code = (
        "import sys, meterr.cli\n"
        f"sys.argv = ['meterr', *{arguments!r}]\n"
        "try:\n    meterr.cli.main()\n"
        "except SystemExit as ended:\n"
        f"    print(ended.code, *(n for n in {_HEAVY!r} if n in sys.modules), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0\n" == ended.stderr
    assert product.__version__ in ended.stdout or "Usage: meterr" in ended.stdout


def test_every_command_explains_itself(meterr: CommandLine) -> None:
    """`meterr COMMAND --help` works without a database and names its options."""
    for line in meterr.ok("--help").out.partition("Commands:")[2].splitlines():
        if line.startswith("  ") and line[2] != " ":
            name = line.split()[0]
            shown = meterr.ok(name, "--help", METERR_DATABASE_URL="")
            assert f"Usage: meterr {name}" in shown.out
