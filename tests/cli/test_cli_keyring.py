"""``meterr keyring`` and ``meterr upstream credential``: what an operator does with keys."""

import asyncio
import os
import re
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from meterr.core.crypto import KeyEncryptionKeys
from meterr.core.crypto.envelope import key_version
from meterr.core.crypto.key_file import open_file
from meterr.core.crypto.key_text import parse
from meterr.core.db import Database, Role
from support.command_line import CommandLine
from support.sealed import UPDATE, Vault, new_key, new_tenant, raw, secrets_of

CANARY = "sk-provider-canary-0a1b2c3d4e5f6071"
ROWS = 1500
HOUSE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def operator(meterr: CommandLine, database_url: str, tmp_path: Path) -> CommandLine:
    """An operator of a database of the test's own, with a key file as ``meterr up`` makes it."""
    data = tmp_path / "data"
    data.mkdir()
    made = CommandLine(
        {**meterr.environment, "METERR_DATABASE_URL": database_url, "METERR_DATA_DIR": str(data)},
        tmp_path,
    )
    write_key_file(data / "key-encryption-keys", new_key("k1").text())
    return made


def write_key_file(path: Path, text: str) -> None:
    path.write_text(text + "\n")
    path.chmod(0o400)


def key_file(operator: CommandLine) -> Path:
    return Path(operator.environment["METERR_DATA_DIR"]) / "key-encryption-keys"


def with_settings(operator: CommandLine, **variables: str) -> CommandLine:
    return replace(operator, environment={**operator.environment, **variables})


def uses(operator: CommandLine) -> dict[tuple[str, str], tuple[str, int]]:
    items = operator("keyring", "status", "--json").items
    return {(item["kind"], item["key_id"]): (item["state"], item["uses"]) for item in items}


async def fill(dsn: str, keys: KeyEncryptionKeys, tenant: str) -> None:
    async with Database.open(dsn, Role.APP) as db:
        vault = Vault(db, dsn, keys)
        for number in range(ROWS):
            await vault.put(tenant, f"row {number:05}", CANARY.encode())


async def readable(dsn: str, keys: KeyEncryptionKeys, tenant: str) -> bool:
    async with Database.open(dsn, Role.APP) as db:
        vault = Vault(db, dsn, keys)
        rows = range(0, ROWS, 37)
        return {CANARY.encode()} == {await vault.get(tenant, f"row {n:05}") for n in rows}


def store(operator: CommandLine, name: str = "openai", secret: str = CANARY) -> None:
    file = operator.folder / "credential"
    file.write_text(secret + "\n")
    stored = operator.ok("upstream", "credential", "set", name, "--file", str(file))
    assert "" == stored.out
    assert secret[-4:] in stored.err
    assert secret not in stored.err


@contextmanager
def last_row_held(admin_dsn: str, tenant: str) -> Iterator[None]:
    """Lock what is sealed anew last: until then, nobody is done."""
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "select 1 from meterr.provider_credential"
            " where tenant_id = %s order by upstream desc limit 1 for update",
            [tenant],
        )
        yield


class TestAKey:
    """``meterr keyring new``."""

    def test_is_written_once_in_the_form_that_is_accepted(self, operator: CommandLine) -> None:
        """S1:423: there, what the command makes is no key for the code that takes it."""
        written = operator.ok("keyring", "new")

        key = parse(written.out.strip(), origin="here")
        assert re.fullmatch(r"k\d{8}-[0-9a-f]{4}", key.kid)
        assert "" == written.err
        assert "mine" == parse(operator.ok("keyring", "new", "--name", "mine").out, origin="").kid

    @pytest.mark.parametrize("name", ["UPPER", "a b", "", "x" * 33])
    def test_has_a_plain_name(self, operator: CommandLine, name: str) -> None:
        """Names stand in the database and in logs."""
        if name:
            assert 2 == operator("keyring", "new", "--name", name).status

    def test_that_is_no_key_is_refused_at_boot(self, operator: CommandLine) -> None:
        """S1:217: one sentence, exit 2, and the value nowhere."""
        wrong = os.urandom(32).hex()
        for command in (("serve",), ("keyring", "status")):
            refused = operator(
                *command,
                METERR_KEY_ENCRYPTION_KEY=wrong,
                METERR_UPSTREAMS__A__PROVIDER="openai",
                METERR_UPSTREAMS__A__OPENAI_BASE_URL="http://127.0.0.1:9",
                METERR_UPSTREAMS__A__MODELS="a",
            )
            assert 2 == refused.status
            assert 1 == len(refused.err.splitlines())
            assert refused.err.startswith("meterr: key_encryption_key: ")
            assert wrong not in refused.err


class TestACredential:
    """``meterr upstream credential``."""

    def test_is_written_and_never_read_back(self, operator: CommandLine, admin_dsn: str) -> None:
        """S1:241: last four in lists, nothing in output or tables."""
        store(operator)

        listed = operator.ok("upstream", "credential", "list", "--json")

        (item,) = listed.items
        assert ("openai", "..." + CANARY[-4:]) == (item["upstream"], item["credential"])
        assert CANARY not in listed.out + operator.ok("upstream", "credential", "list").out
        assert CANARY.encode() not in raw(admin_dsn, HOUSE)["openai"]
        assert ["list", "remove", "set"] == sorted(
            re.findall(
                r"^  (\w+) ", operator.ok("upstream", "credential", "--help").out, re.MULTILINE
            )[-3:]
        )

    def test_comes_from_standard_input_too(self, operator: CommandLine) -> None:
        """Never from an argument: those stand in process lists and shell histories."""
        with operator.process("upstream", "credential", "set", "openai", stdin=-1) as process:
            out, err = process.communicate(CANARY, timeout=60)

        assert (0, "") == (process.returncode, out)
        assert CANARY[-4:] in err

    def test_is_replaced_and_removed(self, operator: CommandLine) -> None:
        """One for each upstream; a removed one is not listed."""
        store(operator)
        store(operator, secret=CANARY[:-4] + "wxyz")
        (item,) = operator.ok("upstream", "credential", "list", "--json").items
        assert "...wxyz" == item["credential"]

        operator.ok("upstream", "credential", "remove", "openai")

        assert [] == operator.ok("upstream", "credential", "list", "--json").items
        assert 1 == operator("upstream", "credential", "remove", "openai").status

    def test_that_is_short_shows_nothing_of_itself(self, operator: CommandLine) -> None:
        """S1:195: there, a key of 10 characters is shown whole."""
        file = operator.folder / "short"
        file.write_text("tencharsss")
        operator.ok("upstream", "credential", "set", "a", "--file", str(file))

        assert (
            "..." == operator.ok("upstream", "credential", "list", "--json").items[0]["credential"]
        )

    @pytest.mark.parametrize("secret", ["", "  \n", "two words", "n\xf6n-ascii", "a\x07b"])
    def test_that_no_header_can_carry_is_refused(self, operator: CommandLine, secret: str) -> None:
        """Refused where it is written, not at the first call; never repeated."""
        file = operator.folder / "credential"
        file.write_text(secret, "utf-8")
        refused = operator("upstream", "credential", "set", "openai", "--file", str(file))

        assert 2 == refused.status
        assert not secret.strip() or secret not in refused.err

    def test_needs_a_key_to_be_sealed_under(self, operator: CommandLine) -> None:
        """With a database of one's own nobody makes a key in silence; the way out is said."""
        key_file(operator).unlink()
        file = operator.folder / "credential"
        file.write_text(CANARY)

        refused = operator("upstream", "credential", "set", "openai", "--file", str(file))

        assert 2 == refused.status
        assert "meterr keyring new" in refused.err
        assert not key_file(operator).exists()


class TestRotation:
    """``meterr keyring rotate`` and ``status``."""

    def test_of_the_key_file_makes_moves_and_retires(self, operator: CommandLine) -> None:
        """S1:418-429: new key current, old one at count 0 and gone; there, written 0644."""
        store(operator)
        assert {
            ("key-encryption key", "k1"): ("current", 1),
            ("data key", "1"): ("current", 1),
        } == (uses(operator))

        before = key_file(operator).read_text()
        rotated = operator.ok("keyring", "rotate")

        (new,) = open_file(key_file(operator))
        assert "The key k1 is retired" in rotated.err
        retired = key_file(operator).with_name("key-encryption-keys.retired")
        assert f"Backups from before now need k1: it is kept in {retired}." in rotated.err
        assert (before, 0o400) == (retired.read_text(), stat.S_IMODE(retired.stat().st_mode))
        assert ("retired", 0) == uses(operator)["key-encryption key", "k1"]
        assert ("current", 1) == uses(operator)["key-encryption key", new.kid]
        assert 0o400 == stat.S_IMODE(key_file(operator).stat().st_mode)
        assert new.text().rpartition(".")[2] not in rotated.out + rotated.err
        operator.ok("keyring", "rotate")
        assert ["k1", new.kid] == [key.kid for key in open_file(retired)]

    def test_that_was_cut_off_after_the_new_key_goes_on(self, operator: CommandLine) -> None:
        """A second run finishes the first and makes no third key."""
        store(operator)
        old = open_file(key_file(operator)).current
        key_file(operator).unlink()
        write_key_file(key_file(operator), f"{new_key('k2').text()}\n{old.text()}")

        operator.ok("keyring", "rotate")

        assert ["k2"] == [key.kid for key in open_file(key_file(operator))]
        assert ("current", 1) == uses(operator)["key-encryption key", "k2"]

    def test_of_keys_in_settings_moves_to_the_current_one(self, operator: CommandLine) -> None:
        """S1:230: set the new one as current, the old one as previous, rotate, drop the old one."""
        old, new = new_key("old"), new_key("new")
        before = with_settings(operator, METERR_KEY_ENCRYPTION_KEY=old.text())
        store(before)
        during = with_settings(
            operator,
            METERR_KEY_ENCRYPTION_KEY=new.text(),
            METERR_KEY_ENCRYPTION_KEYS_PREVIOUS=secrets_of(
                KeyEncryptionKeys(old)
            ).get_secret_value(),
        )
        told = during.ok("keyring", "rotate", "--data-keys").err
        assert "Backups from before now need old: keep it as long as those" in told
        after = with_settings(operator, METERR_KEY_ENCRYPTION_KEY=new.text())

        assert {
            ("key-encryption key", "old"): ("retired", 0),
            ("key-encryption key", "new"): ("current", 1),
            ("data key", "1"): ("retired", 0),
            ("data key", "2"): ("current", 1),
        } == uses(after)
        assert ("missing", 1) == uses(before)["key-encryption key", "new"]
        assert 3 == before("keyring", "status").status

    def test_says_how_far_it_is(self, operator: CommandLine) -> None:
        """Issue 4, item 6: with progress, for each tenant, up to all of it."""
        dsn, tenant = operator.environment["METERR_DATABASE_URL"], new_tenant()
        asyncio.run(fill(dsn, open_file(key_file(operator)), tenant))
        said = operator.ok("keyring", "rotate", "--data-keys").err
        told = re.findall(rf"{tenant}: (\d+) of (\d+) values encrypted anew", said)
        done = [int(count) for count, _ in told]
        assert len(done) > 1
        assert sorted(set(done)) == done
        assert {str(ROWS)} == {total for _, total in told}
        assert ROWS == done[-1]

    def test_that_is_killed_in_the_middle_is_finished_by_the_next(
        self, operator: CommandLine, admin_dsn: str
    ) -> None:
        """kill -9 between two batches: the next run seals the rest, and no value is lost."""
        dsn, tenant = operator.environment["METERR_DATABASE_URL"], new_tenant()
        asyncio.run(fill(dsn, open_file(key_file(operator)), tenant))
        with (
            last_row_held(admin_dsn, tenant),
            operator.process("keyring", "rotate", "--data-keys") as process,
        ):
            assert process.stderr is not None
            for line in process.stderr:
                if "values encrypted anew" in line:
                    os.kill(process.pid, signal.SIGKILL)
                    break
        assert -signal.SIGKILL == process.returncode
        versions = [key_version(value) for value in raw(admin_dsn, tenant).values()]
        assert 0 < versions.count(2) < ROWS == len(versions)
        assert 2 == len(list(open_file(key_file(operator))))

        operator.ok("keyring", "rotate", "--data-keys")

        assert {2} == {key_version(value) for value in raw(admin_dsn, tenant).values()}
        (key,) = open_file(key_file(operator))
        assert asyncio.run(readable(dsn, KeyEncryptionKeys(key), tenant))
        assert ("retired", 0) == uses(operator)["data key", "1"]
        assert ("current", ROWS) == uses(operator)["data key", "2"]
        with psycopg.connect(admin_dsn) as connection:
            (ended,) = connection.execute(
                "select count(*) from meterr.data_key where wrapped is null"
            ).fetchone() or (0,)
        assert 1 == ended

    def test_names_what_cannot_be_read_and_goes_on(
        self, operator: CommandLine, admin_dsn: str
    ) -> None:
        """S1:241: tenant, table, column and row, never what is in it; exit 3 each time."""
        for name in ("openai", "anthropic"):
            store(operator, name)
        altered = bytearray(raw(admin_dsn, HOUSE)["openai"])
        altered[-1] ^= 1
        with psycopg.connect(admin_dsn) as connection:
            connection.execute(UPDATE, [bytes(altered), HOUSE, "openai"])
        for version in ("2", "3"):
            done = operator("keyring", "rotate", "--data-keys")
            assert 3 == done.status
            assert (
                "Cannot be read, and stays under its old key: meterr itself, table"
                " provider_credential, column secret, row openai.\n" in done.err
            )
            assert "run this again" not in done.err
            assert bytes(altered).hex() not in done.err
            assert ("old", 1) == uses(operator)["data key", "1"]
            assert ("current", 1) == uses(operator)["data key", version]

        store(operator, "openai")
        operator.ok("keyring", "rotate", "--data-keys")

        assert ("retired", 0) == uses(operator)["data key", "1"]

    def test_needs_a_key(self, operator: CommandLine) -> None:
        """Nothing to rotate is an error and not a success."""
        key_file(operator).unlink()

        assert 2 == operator("keyring", "rotate").status


def test_the_doctor_finds_a_key_that_is_missing(operator: CommandLine) -> None:
    """What is stored and cannot be read any more is wrong before a call needs it."""
    store(operator)
    found = {item["check"]: item for item in operator("doctor", "--json").items}
    assert "ok" == found["encryption keys"]["verdict"]

    wrong = with_settings(operator, METERR_KEY_ENCRYPTION_KEY=new_key("k2").text())
    found = {item["check"]: item for item in wrong("doctor", "--json").items}

    assert "wrong" == found["encryption keys"]["verdict"]
    assert "k1" in found["encryption keys"]["detail"]
