"""Secrets from Vault and from variables, and where providers may be: whole processes."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterr.simulator.credentials import digest
from support.command_line import PEPPER, CommandLine
from support.conversation import BODIES, CHAT, Conversation
from support.meterr_house import open_house
from support.vault_stub import TOKEN, VaultStub, vault

PROVIDER_KEY = "sk-from-the-vault-canary-5e2d"
DOCUMENT = "secret/data/meterr"
ADDRESS = "ada.canary@example.com"


@pytest.fixture
def stub() -> Iterator[VaultStub]:
    with vault() as running:
        yield running


@pytest.fixture
def operator(stub: VaultStub, data_root: Path) -> CommandLine:
    """An operator all of whose secrets are in Vault; a file holds the token."""
    (data_root / "token").write_text(TOKEN)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(data_root),
        "METERR_DATA_DIR": str(data_root / "data"),
        "METERR_DATABASE_URL": f"vault:{DOCUMENT}#database",
        "METERR_KEY_PEPPER": f"vault:{DOCUMENT}#pepper",
        "VAULT_ADDR": stub.address,
        "METERR_SECRETS__VAULT_TOKEN": f"file:{data_root / 'token'}",
    }
    return CommandLine(environment, data_root)


def ran(operator: CommandLine, *arguments: str) -> "subprocess.CompletedProcess[str]":
    with operator.process(*arguments) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def read_lines(text: str) -> list[dict[str, str]]:
    """Return the record of secrets that were read."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "secret_read"]


def test_a_provider_gets_the_key_that_is_in_vault(
    stub: VaultStub, database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """Issue 4, item 7: read at start, handed to the gateway by its pipe, on record, in no log."""
    stub.secrets[DOCUMENT] = ({"openai": PROVIDER_KEY}, 7)
    config = f'[secrets]\nvault_address = "{stub.address}"\nvault_token = "{TOKEN}"\n'
    credential = f'credential = "vault:{DOCUMENT}#openai"'
    with open_house(
        database_url, admin_dsn, data_root, config=config, openai_settings=credential
    ) as house:
        talk = Conversation(house)
        answer = talk.post(CHAT, BODIES[CHAT])
        assert 200 == answer.status
        assert {"authorization": digest(PROVIDER_KEY)} == talk.call(answer)["credentials"]
        lines = "\n".join(house.meterr.lines)
        read = read_lines(lines)
        arguments = Path(f"/proc/{house.gateway_pid}/cmdline").read_bytes()
        variables = Path(f"/proc/{house.gateway_pid}/environ").read_bytes()
    reference = f"vault:{DOCUMENT}#openai"
    assert {("upstreams.openai.credential", reference, "7")} == {
        (line["where"], line["reference"], line["version"]) for line in read
    }
    assert "read" == read[0]["outcome"]
    assert {"cached"} == {line["outcome"] for line in read[1:]}
    assert 1 == len(stub.asked)
    for secret in (PROVIDER_KEY, TOKEN):
        assert secret not in lines
        assert secret.encode() not in arguments + variables


def test_a_model_named_like_a_key_does_not_reach_the_log(
    stub: VaultStub, database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """S1:205, S1:189, P6: the one text of a caller that is logged, and what is pasted into it."""
    with open_house(
        database_url, admin_dsn, data_root, config='[log]\nrequests = "all"\n'
    ) as house:
        talk = Conversation(house)
        pasted = (house.key, f"gpt-{house.key}", "sk-proj-0123456789abcdefghij", ADDRESS)
        for model in (*pasted, ADDRESS.upper()):
            assert talk.post(CHAT, {**BODIES[CHAT], "model": model}).status in (402, 404)
        house.until(lambda: sum('"request_id"' in line for line in house.meterr.lines) >= 5)
        lines = "\n".join(house.meterr.lines)
    assert house.key[-20:] not in lines
    assert "0123456789abcdefghij" not in lines
    assert ADDRESS not in lines.lower()
    first, second = re.findall(r"a\*\*\*~[0-9a-f]{12}", lines)
    assert first == second


def test_commands_read_only_the_secrets_that_they_need(
    stub: VaultStub, operator: CommandLine, database_url: str
) -> None:
    """Issue 4, item 7: `config show` asks nobody; `tenant list` needs no pepper."""
    stub.secrets[DOCUMENT] = ({"database": database_url, "pepper": PEPPER}, 1)
    shown = ran(operator, "config", "show")
    assert (0, []) == (shown.returncode, stub.asked)
    assert f"vault:{DOCUMENT}#database" in shown.stdout

    listed = ran(operator, "tenant", "list", "--json")
    assert 0 == listed.returncode, listed.stderr
    assert {"database_url"} == {
        line["where"] for line in read_lines(listed.stderr) if "vault" in line["reference"]
    }
    ran(operator, "tenant", "create", "acme")
    made = ran(operator, "key", "create", "--tenant", "acme", "--name", "k")
    assert re.search(r"sk-meterr_live_\w{32}", made.stdout), made.stderr
    assert "key_pepper" in {line["where"] for line in read_lines(made.stderr)}
    assert TOKEN not in f"{shown} {listed} {made}"
    assert database_url not in f"{shown} {listed} {made}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"VAULT_ADDR": ""}, "set it, or VAULT_ADDR"),
        ({"VAULT_ADDR": "http://vault.example:8200"}, "use https, or list vault.example:8200"),
        ({"METERR_SECRETS__VAULT_TOKEN": "file:/nowhere"}, "file:/nowhere"),
        ({"METERR_DATABASE_URL": "valt:x#y"}, "did you mean vault:"),
        ({"METERR_DATABASE_URL": "vault:secret/data/none#y"}, "no such secret"),
        ({"METERR_DATABASE_URL": "env:NOT_SET"}, "env:NOT_SET: this variable is not set"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_starts(
    operator: CommandLine, change: dict[str, str], told: str
) -> None:
    """Issue 2, bad input: clear, boring, with the way out; P6: without the token."""
    wrong = CommandLine({**operator.environment, **change}, operator.folder)
    ended = ran(wrong, "tenant", "list")
    sentences = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert 2 == ended.returncode
    assert 1 == len(sentences), ended.stderr
    assert told in sentences[0]
    assert TOKEN not in ended.stderr


def test_a_sealed_vault_is_an_outage_and_not_a_mistake(
    stub: VaultStub, operator: CommandLine
) -> None:
    """DESIGN 7: another exit status than for what the operator wrote wrong."""
    stub.answer = (503, {"Content-Type": "application/json"}, b'{"errors": ["Vault is sealed"]}')
    ended = ran(operator, "tenant", "list")
    assert 1 == ended.returncode
    assert "Vault did not give" in ended.stderr


def test_dopplers_variables_are_secrets_like_any_other(
    operator: CommandLine, database_url: str
) -> None:
    """Issue 4, item 7: `doppler run` starts meterr with its secrets in the environment."""
    injected = {
        **operator.environment,
        "DOPPLER_PROJECT": "meterr",
        "DATABASE": database_url,
        "METERR_DATABASE_URL": "env:DATABASE",
    }
    ended = ran(CommandLine(injected, operator.folder), "tenant", "list")
    assert 0 == ended.returncode, ended.stderr
    (line,) = read_lines(ended.stderr)
    assert ("env:DATABASE", "read") == (line["reference"], line["outcome"])


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1",
        "http://[fd00:ec2::254]/v1",
        "https://[fe80::1]/v1",
        "http://[::]:8000/v1",
        "http://93.184.215.14/v1",
        "http://2130706433/v1",
    ],
)
def test_a_base_url_that_no_provider_can_have_stops_the_start(
    operator: CommandLine, database_url: str, url: str
) -> None:
    """C16: an address is judged before anything starts, and the error names the setting."""
    environment = {
        **operator.environment,
        "METERR_DATABASE_URL": f"plain:{database_url}",
        "METERR_KEY_PEPPER": PEPPER,
        "METERR_UPSTREAMS__X__PROVIDER": "openai",
        "METERR_UPSTREAMS__X__MODELS": "gpt-*",
        "METERR_UPSTREAMS__X__OPENAI_BASE_URL": url,
    }
    wrong = CommandLine(environment, operator.folder)
    ended = ran(wrong, "serve", "--port", "0")
    assert 2 == ended.returncode
    assert "upstreams.x.openai_base_url" in ended.stderr

    looked = ran(wrong, "doctor")
    (finding,) = [line for line in looked.stdout.splitlines() if "provider x" in line]
    assert (3, True) == (looked.returncode, "wrong" in finding)
