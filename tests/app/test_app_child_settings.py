"""What a gateway process is told: what it needs, and nothing that leads further."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from meterr.app.child import Instructions, Part, encode, exposed, for_gateway
from meterr.app.secret_settings import with_reader
from meterr.core.configuration import load
from meterr.core.errors import OperatorError
from meterr.core.secrets.setting import secrets_of
from meterr.core.settings import Settings
from support.conversation import BODIES, CHAT, Conversation
from support.meterr_house import PEPPER, open_house
from support.sealed import new_key
from support.vault_stub import TOKEN, vault

CREDENTIAL = "sk-provider-canary-0a1b2c3d"
ADMIN = "postgresql://admin:canary-of-the-administrator@db.example/meterr"
DATABASE = "postgresql://meterr:canary-of-the-login@db.example/meterr"


def settings(tmp_path: Path) -> Settings:
    """Return settings with every kind of secret; the administrator's is not there to be read."""
    (tmp_path / "token").write_text(TOKEN)
    environ = {
        "HOME": str(tmp_path),
        "ADDRESS": DATABASE,
        "OPENAI_API_KEY": CREDENTIAL,
        "METERR_DATABASE_URL": "env:ADDRESS",
        "METERR_DATABASE_ADMIN_URL": "env:NOT_HERE",
        "METERR_KEY_PEPPER": PEPPER,
        "METERR_KEY_ENCRYPTION_KEY": new_key("k1").text(),
        "VAULT_ADDR": "https://vault.example:8200",
        "VAULT_TOKEN": TOKEN,
        "METERR_SECRETS__VAULT_SECRET_ID": "the canary of a secret id",
        "METERR_NOTIFY__SMTP_URL": "smtps://me:canary-of-the-mail-server@mail.example",
        "METERR_NOTIFY__SENDER": "meterr@mail.example",
    }
    return with_reader(load({}, environ, None).settings, environ)


def test_a_gateway_is_told_what_it_uses_and_no_way_to_more(tmp_path: Path) -> None:
    """Least privilege, P6: who gets into a gateway has its credentials, and not the vault."""
    told = json.dumps(exposed(for_gateway(settings(tmp_path))))
    for needed in (CREDENTIAL, PEPPER, "mk1.k1."):
        assert needed in told
    for kept in (TOKEN, "secret id", "vault.example", "canary-of-the"):
        assert kept not in told


def test_what_a_gateway_is_not_told_is_not_read_for_it(tmp_path: Path) -> None:
    """The administrator's login may be out of reach of whoever starts the service."""
    found = settings(tmp_path)
    with pytest.raises(OperatorError, match="NOT_HERE"):
        exposed(found)
    exposed(for_gateway(found))


def test_a_child_reads_back_what_it_was_told(tmp_path: Path) -> None:
    """In a process of its own: every secret readable there, none of them a reference."""
    told = Instructions(Part.GATEWAY, 0, settings=exposed(for_gateway(settings(tmp_path))))
    program = (
        "from meterr.app.child import read_instructions\n"
        "from meterr.core.secrets.setting import secrets_of\n"
        "_, settings = read_instructions()\n"
        "print(*(each.get_secret_value() for each in secrets_of(settings)), sep='\\n')\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", program], input=encode(told), capture_output=True, check=True
    )
    expected = [each.get_secret_value() for each in secrets_of(for_gateway(settings(tmp_path)))]
    lines = read.stdout.decode().splitlines()
    assert len(expected) == len(lines)
    assert {PEPPER, CREDENTIAL} <= set(lines)


def test_workers_serve_while_the_administrators_login_cannot_be_read(
    database_url: str, admin_dsn: str, data_root: Path
) -> None:
    """Issue 4, item 7: a backend is asked for what is used, with two gateways as with one."""
    with vault() as stub:
        config = (
            'database_admin_url = "vault:secret/data/admin#url"\n'
            f'[secrets]\nvault_address = "{stub.address}"\nvault_token = "{TOKEN}"\n'
            "[server]\nworkers = 2\n"
        )
        with open_house(database_url, admin_dsn, data_root, config=config) as house:
            assert 200 == Conversation(house).post(CHAT, BODIES[CHAT]).status
            lines = "\n".join(house.meterr.lines)
        assert [] == stub.asked
        assert TOKEN not in lines
