"""Key-encryption keys: what counts as one, what is refused at start, and the file they live in."""

import base64
import copy
import os
import pickle
import stat
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.core.configuration import ConfigurationError, load
from meterr.core.crypto import KeyEncryptionKeys, KeyMissing, KeyRefused, mint
from meterr.core.crypto.key_file import create_file, only_one, open_file, replace_file
from meterr.core.crypto.key_text import KeyEncryptionKey, parse
from meterr.core.errors import OperatorError


def text_of(material: bytes, kid: str = "k1") -> str:
    return f"mk1.{kid}.{base64.urlsafe_b64encode(material).decode().rstrip('=')}"


def fresh(kid: str = "k1") -> KeyEncryptionKey:
    return mint(kid, os.urandom)


def keys_of(current: str, previous: str | None = None) -> KeyEncryptionKeys:
    return KeyEncryptionKeys.from_secrets(
        SecretStr(current), None if previous is None else SecretStr(previous)
    )


@given(st.binary(min_size=32, max_size=32))
def test_a_key_that_is_accepted_reads_back_as_it_was_written(material: bytes) -> None:
    """S1:217: text to key and back; what is no random key is refused, never changed."""
    try:
        key = parse(text_of(material), origin="here")
    except KeyRefused:
        return
    assert text_of(material) == key.text()


@pytest.mark.parametrize("seed", range(50))
def test_every_minted_key_is_accepted(seed: int) -> None:
    """S1:217, S1:423: what we tell people to run makes what we accept; there, it does not."""
    key = fresh(f"k{seed}")

    assert key.verifier == parse(key.text(), origin="here").verifier


def test_a_draw_that_reads_like_an_example_is_drawn_again() -> None:
    """One in two million holds "your-" by chance, and was refused at the next start."""
    good = os.urandom(32)
    unlucky = base64.urlsafe_b64decode("AbYour-" + "x" * 36 + "=")
    draws = [good, unlucky]
    assert text_of(good) == mint("k1", lambda _: draws.pop()).text()
    with pytest.raises(KeyRefused, match="an example"):
        parse(text_of(unlucky), origin="here")


@pytest.mark.parametrize("kid", ["sample", "your-key", "k-example"])
def test_no_key_is_minted_under_a_name_that_is_refused(kid: str) -> None:
    """Told when it is made, and not when everything is under it."""
    with pytest.raises(KeyRefused, match="name may not read like an example"):
        fresh(kid)


REFUSED = {
    "openssl rand -hex 32": os.urandom(32).hex(),
    "a password": "correct horse battery staple",
    "nothing": "",
    "no name": "mk1..AAAA",
    "an upper-case name": text_of(os.urandom(32), "K1"),
    "another type": text_of(os.urandom(32)).replace("mk1", "mk2"),
    "one byte": text_of(b"a"),
    "31 bytes": text_of(os.urandom(31)),
    "33 bytes": text_of(os.urandom(33)),
    "hex inside": "mk1.k1." + os.urandom(32).hex(),
    "zeros": text_of(bytes(32)),
    "one byte repeated": text_of(b"\xa5" * 32),
    "a short pattern": text_of(os.urandom(8) * 4),
    "counting": text_of(bytes(range(32))),
    "counting down": text_of(bytes(range(255, 223, -1))),
    "a passphrase in base64": text_of(string.ascii_letters[:32].encode()),
    "an example's name": text_of(os.urandom(32), "example"),
    "a placeholder": text_of(os.urandom(32), "changeme-1"),
    "stray bits": text_of(os.urandom(32))[:-1] + "B",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_random_key_of_32_bytes_is_refused_and_not_repeated(text: str) -> None:
    """S1:217, S1:423: short, hex, example: one clear sentence with the way out, without the key."""
    with pytest.raises(KeyRefused) as caught:
        parse(text, origin="METERR_KEY_ENCRYPTION_KEY")

    said = str(caught.value)
    assert said.startswith("METERR_KEY_ENCRYPTION_KEY: ")
    assert said.endswith("meterr keyring new")
    assert "\n" not in said
    assert len(text) < 16 or text[8:] not in said


class TestAKeyring:
    """One current key, any number of previous ones."""

    def test_finds_each_by_its_name(self) -> None:
        """S1:230: after a change, what is under the old key is still readable."""
        new, old, older = fresh("new"), fresh("old"), fresh("older")

        keys = keys_of(new.text(), f"{old.text()},\n {older.text()}")

        assert ["new", "old", "older"] == [key.kid for key in keys]
        assert new.verifier == keys.current.verifier
        assert older.verifier == keys.named("older").verifier

    def test_says_which_key_is_missing(self) -> None:
        """The way out names the setting."""
        with pytest.raises(KeyMissing, match=r"'gone'.*METERR_KEY_ENCRYPTION_KEYS_PREVIOUS"):
            keys_of(fresh().text()).named("gone")

    def test_refuses_one_name_for_two_keys(self) -> None:
        """Nobody could say which of the two a data key is under."""
        with pytest.raises(KeyRefused, match="'k1' stands for two"):
            keys_of(fresh().text(), fresh().text())

    def test_refuses_two_names_for_one_key(self) -> None:
        """A rotation to the same key changes nothing and says it did."""
        material = os.urandom(32)
        with pytest.raises(KeyRefused, match="two names"):
            keys_of(text_of(material, "a"), text_of(material, "b"))

    def test_shows_names_and_no_key(self) -> None:
        """P6: not in a repr, a pickle or a copy."""
        key = fresh()
        keys = keys_of(key.text(), fresh("k0").text())
        secret = key.text().rpartition(".")[2]

        assert "<KeyEncryptionKeys current=<KeyEncryptionKey k1> previous=" in repr(keys)
        assert secret not in f"{keys!r} {key!r} {key}"
        for carry in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="neither pickled nor copied"):
                carry(keys)


class TestTheKeyFile:
    """What ``meterr up`` makes."""

    def test_is_made_once_and_closed_to_others(self, tmp_path: Path) -> None:
        """S1:418-429: there, secrets are written 0644 into the working directory."""
        path = tmp_path / "keys"

        create_file(path, fresh)
        made = open_file(path)
        create_file(path, lambda: fresh("other"))

        assert 0o400 == stat.S_IMODE(path.stat().st_mode)
        assert made.current.verifier == open_file(path).current.verifier
        assert [path] == list(tmp_path.iterdir())

    @pytest.mark.parametrize("mode", [0o404, 0o440 | 0o020, 0o444, 0o666, 0o402])
    def test_is_refused_when_others_may_read_it(self, tmp_path: Path, mode: int) -> None:
        """S1:418: with the command that closes it."""
        path = tmp_path / "keys"
        create_file(path, fresh)
        path.chmod(mode)

        with pytest.raises(KeyRefused, match=f"chmod 0400 {path}"):
            open_file(path)

    def test_is_refused_when_it_is_something_else(self, tmp_path: Path) -> None:
        """A pipe does not hang the start, an empty file is no key."""
        pipe, empty, missing = (tmp_path / name for name in ("pipe", "empty", "missing"))
        os.mkfifo(pipe, 0o400)
        empty.touch(0o400)

        for path, reason in (
            (pipe, "plain file"),
            (tmp_path, "plain file"),
            (empty, "no key"),
            (missing, "cannot be read"),
        ):
            with pytest.raises(KeyRefused, match=reason):
                open_file(path)

    def test_is_replaced_whole_and_followed_by_who_read_it_before(self, tmp_path: Path) -> None:
        """A process that meets a name it does not know looks again."""
        path = tmp_path / "keys"
        create_file(path, fresh)
        before = open_file(path)

        replace_file(path, [fresh("k2"), *before])

        assert ["k2", "k1"] == [key.kid for key in before.reread()]
        assert 0o400 == stat.S_IMODE(path.stat().st_mode)
        assert [path] == list(tmp_path.iterdir())

    def test_is_changed_by_one_rotation_at_a_time(self, tmp_path: Path) -> None:
        """Of two new keys in one file one would be lost, and all that is under it."""
        path = tmp_path / "keys"
        with only_one(path), pytest.raises(KeyRefused, match="under way"), only_one(path):
            raise AssertionError("two at a time")


class TestSettings:
    """Where the keys come from."""

    def read(self, tmp_path: Path, mode: int, name: str) -> SecretStr | None:
        file = tmp_path / "key"
        file.write_text(fresh().text())
        file.chmod(mode)
        environ = {"HOME": str(tmp_path), name: str(file)}
        return load({}, environ, None).settings.key_encryption_key

    def test_a_file_that_only_we_read_is_taken(self, tmp_path: Path) -> None:
        """``*_FILE``, also one that its group may read, as orchestrators mount secrets."""
        for mode in (0o400, 0o440):
            found = self.read(tmp_path, mode, "METERR_KEY_ENCRYPTION_KEY_FILE")
            assert found is not None
            assert found.get_secret_value().startswith("mk1.k1.")
            (tmp_path / "key").unlink()

    @pytest.mark.parametrize("mode", [0o444, 0o644, 0o460])
    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path, mode: int) -> None:
        """S1:418: boot refuses it and says how to close it."""
        with pytest.raises(KeyRefused, match="chmod 0400"):
            self.read(tmp_path, mode, "METERR_KEY_ENCRYPTION_KEY_FILE")

    def test_a_key_in_an_open_configuration_file_is_refused(self, tmp_path: Path) -> None:
        """The key is as open as the file it stands in."""
        file = tmp_path / "meterr.toml"
        file.write_text(f'key_encryption_key = "{fresh().text()}"\n')
        file.chmod(0o644)
        with pytest.raises(KeyRefused, match="key_encryption_key"):
            load({}, {"HOME": str(tmp_path)}, file)

        file.chmod(0o600)
        assert load({}, {"HOME": str(tmp_path)}, file).settings.key_encryption_key is not None

    def test_errors_are_for_operators(self) -> None:
        """One line on standard error and exit 2, like every wrong setting."""
        assert issubclass(KeyRefused, OperatorError)
        assert issubclass(KeyMissing, OperatorError)
        assert issubclass(ConfigurationError, OperatorError)
