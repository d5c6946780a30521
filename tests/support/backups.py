"""What the tests of backups do: restore somewhere, and look at every row."""

import hashlib
from dataclasses import replace
from pathlib import Path

import psycopg
from pydantic import SecretStr

from meterr.core.crypto import mint
from meterr.identity import Keyring
from support.command_line import PEPPER, CommandLine, Result
from support.rows import KEK_ID

PEPPER_ID = Keyring.from_secrets(SecretStr(PEPPER)).current.id
BACKUP_KEY = mint(KEK_ID, lambda count: hashlib.sha256(b"a key of the tests").digest()[:count])
BACKED_UP = "0199aaaa-0000-7000-8000-00000000000a"
BACKUP_CANARY = "canary-in-the-backup-7f3a"


def into(operator: CommandLine, target: tuple[str, str]) -> CommandLine:
    settings = {"METERR_DATABASE_URL": target[0], "METERR_DATABASE_ADMIN_URL": target[1]}
    return replace(operator, environment={**operator.environment, **settings})


def restored(operator: CommandLine, file: Path, identity_file: Path, *more: str) -> Result:
    return operator("db", "restore", str(file), "--identity", str(identity_file), *more)


def contents(dsn: str) -> dict[str, list[str]]:
    """Return every row of every table of the schema, as text."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'meterr' order by 1"
        ).fetchall()
        return {
            name: sorted(
                str(row) for row in connection.execute(f"select t::text from meterr.{name} t")
            )
            for (name,) in tables
        }
