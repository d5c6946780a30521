"""A backup is put in place only where the keys are that it needs, and which are not in it."""

import os
import re
from dataclasses import replace
from pathlib import Path

import psycopg
import pyrage
import pytest

from meterr.app.sealed_columns import SEALED_COLUMNS
from meterr.core.crypto import mint
from support.backups import BACKUP_KEY, PEPPER_ID, contents, into, restored
from support.command_line import PEPPER, CommandLine
from support.rows import KEK_ID

OTHER_PEPPER = "c7e1b09a45d2f86331aa7e0d9c54b2f86e10d3975bc8426fa19be0c7d5432f18"
SEALED_TABLES = sorted({column.table for column in SEALED_COLUMNS})


def with_settings(operator: CommandLine, **variables: str) -> CommandLine:
    return replace(operator, environment={**operator.environment, **variables})


def without(operator: CommandLine, *names: str) -> CommandLine:
    left = {name: text for name, text in operator.environment.items() if name not in names}
    return replace(operator, environment=left)


@pytest.mark.parametrize("name", ["k2", KEK_ID])
def test_a_backup_under_another_key_encryption_key_replaces_nothing(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str, name: str
) -> None:
    """Issue 4.6: verified before it replaces; another key of the same name does not do either."""
    before = contents(admin_dsn)
    key = mint(name, os.urandom)

    refused = restored(
        with_settings(operator, METERR_KEY_ENCRYPTION_KEY=key.text()),
        made,
        identity_file,
        "--replace",
    )

    assert (2, before) == (refused.status, contents(admin_dsn))
    assert f"is not configured here: key-encryption key {KEK_ID}." in refused.err
    assert "METERR_KEY_ENCRYPTION_KEYS_PREVIOUS" in refused.err


def test_a_backup_under_another_pepper_replaces_nothing(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str
) -> None:
    """`N keys count now` would be untrue when none of them can be verified here."""
    before = contents(admin_dsn)
    now = with_settings(operator, METERR_KEY_PEPPER=OTHER_PEPPER)

    refused = restored(now, made, identity_file, "--replace")

    assert (2, before) == (refused.status, contents(admin_dsn))
    assert f"is not configured here: pepper {PEPPER_ID} (1 keys)." in refused.err
    assert "METERR_KEY_PEPPER_PREVIOUS" in refused.err
    # No key counts then, so none needs it.
    assert 0 == restored(now, made, identity_file, "--replace", "--revoke-all").status


def test_a_host_without_any_key_is_told_of_all_that_is_missing(
    operator: CommandLine, made: Path, identity_file: Path, other: tuple[str, str]
) -> None:
    """Also where there is nothing to replace: it would be found out at the first call."""
    bare = without(into(operator, other), "METERR_KEY_PEPPER", "METERR_KEY_ENCRYPTION_KEY")

    refused = restored(bare, made, identity_file)

    assert 2 == refused.status
    assert f": key-encryption key {KEK_ID}, pepper {PEPPER_ID} (1 keys)." in refused.err
    assert {} == contents(other[1])
    assert 0 == restored(bare, made, identity_file, "--without-keys").status
    assert {} != contents(other[1])


def test_previous_keys_are_as_good_as_current_ones(
    operator: CommandLine, made: Path, identity_file: Path
) -> None:
    """The way out that the refusal names is one: the keys of the backup's time, beside new ones."""
    now = with_settings(
        operator,
        METERR_KEY_ENCRYPTION_KEY=mint("k2", os.urandom).text(),
        METERR_KEY_ENCRYPTION_KEYS_PREVIOUS=BACKUP_KEY.text(),
        METERR_KEY_PEPPER=OTHER_PEPPER,
        METERR_KEY_PEPPER_PREVIOUS=PEPPER,
    )
    done = restored(now, made, identity_file, "--replace")
    assert (0, True) == (done.status, "1 keys of 1 tenants count now." in done.err)


def test_who_makes_a_backup_is_told_what_it_needs(
    operator: CommandLine, age_identity: pyrage.x25519.Identity
) -> None:
    """What is not in it has to be kept apart; by name, so that it can be found in years."""
    said = operator.ok("db", "backup", "x.age", "--recipient", str(age_identity.to_public())).err
    assert f"key-encryption key {KEK_ID}, pepper {PEPPER_ID}" in said
    assert not re.search(rf"{PEPPER}|{re.escape(BACKUP_KEY.text())}", said)


def test_a_backup_from_before_a_rotation_comes_back_with_the_key_that_was_kept(
    operator: CommandLine, age_identity: pyrage.x25519.Identity, identity_file: Path, admin_dsn: str
) -> None:
    """Issue 4.6: a backup of yesterday opens with the key of yesterday, which nobody ever saw."""
    with psycopg.connect(admin_dsn) as connection:
        for table in (*SEALED_TABLES, "data_key", "key_encryption_key"):
            connection.execute(f"delete from meterr.{table}")
    data = operator.folder / "data"
    data.mkdir()
    keys, retired = data / "key-encryption-keys", data / "key-encryption-keys.retired"
    keys.write_text(BACKUP_KEY.text() + "\n")
    keys.chmod(0o400)
    home = with_settings(without(operator, "METERR_KEY_ENCRYPTION_KEY"), METERR_DATA_DIR=str(data))
    secret = operator.folder / "credential"
    secret.write_text("sk-canary-0123456789\n")
    home.ok("upstream", "credential", "set", "openai", "--file", str(secret))
    file = operator.folder / "yesterday.age"
    home.ok("db", "backup", str(file), "--recipient", str(age_identity.to_public()))
    home.ok("keyring", "rotate", "--data-keys")

    refused = restored(home, file, identity_file, "--replace")
    assert (2, True) == (refused.status, f"key-encryption key {KEK_ID}" in refused.err)
    keys.chmod(0o600)
    keys.write_text(keys.read_text() + retired.read_text())
    keys.chmod(0o400)

    assert 0 == restored(home, file, identity_file, "--replace").status
    home.ok("keyring", "rotate", "--data-keys")
    assert {("current", 1), ("retired", 0)} == {
        (each["state"], each["uses"]) for each in home.ok("keyring", "status", "--json").items
    }
