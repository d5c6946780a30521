"""Peppers: two at a time, from a file nobody else reads, never a weak one."""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.identity.keyring import Keyring, Pepper, PepperRefused

KEY = b"sk-meterr_live_whatever"


def pepper() -> SecretStr:
    return SecretStr(secrets.token_hex(32))


class TestTheMac:
    def test_is_hmac_sha256_of_the_whole_key(self) -> None:
        """S1:138: one HMAC under the pepper; a slow hash adds nothing to 154 bits of chance."""
        secret = pepper()
        expected = hmac.new(secret.get_secret_value().encode(), KEY, hashlib.sha256).digest()
        assert expected == Keyring.from_secrets(secret).mac(KEY)

    def test_the_last_characters_count(self) -> None:
        """S1:138: bcrypt stopped at 72 bytes and accepted any ending."""
        ring = Keyring.from_secrets(pepper())
        assert ring.mac(b"k" * 100 + b"a") != ring.mac(b"k" * 100 + b"b")

    def test_an_old_key_is_found_under_the_previous_pepper(self) -> None:
        """Changing the pepper fails no call."""
        old, new = pepper(), pepper()
        stored = Keyring.from_secrets(old).mac(KEY)
        assert stored in Keyring.from_secrets(new, old).macs(KEY)
        assert stored != Keyring.from_secrets(new, old).mac(KEY)
        assert stored not in Keyring.from_secrets(new).macs(KEY)

    def test_the_id_tells_peppers_apart_and_tells_nothing_else(self) -> None:
        """It is stored with each key; it follows from the secret and not the other way round."""
        secret = pepper()
        one, same, other = (Keyring.from_secrets(s).current for s in (secret, secret, pepper()))
        assert one.id == same.id != other.id
        assert one.id not in secret.get_secret_value()

    def test_no_rendering_shows_a_pepper(self) -> None:
        """P6."""
        secret = pepper()
        ring = Keyring.from_secrets(secret, pepper())
        assert secret.get_secret_value() not in repr(ring) + str(ring) + repr(ring.current)


class TestThePepperFile:
    def test_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        """`meterr up` makes it; the second start finds it."""
        path = tmp_path / "pepper"
        first = Keyring.open(path, create_missing=True)
        second = Keyring.open(path, create_missing=True)
        assert 0o400 == stat.S_IMODE(path.stat().st_mode)
        assert first.current.id == second.current.id
        assert [path] == list(tmp_path.iterdir())

    def test_is_not_made_unasked(self, tmp_path: Path) -> None:
        """A missing pepper in production must stop us: a fresh one would refuse every key."""
        with pytest.raises(PepperRefused, match="cannot be read: No such file"):
            Keyring.open(tmp_path / "pepper")

    def test_of_many_racing_processes_all_get_the_same(self, tmp_path: Path) -> None:
        """Whoever links first wins; nobody reads a half-written file."""
        path = tmp_path / "pepper"
        with ThreadPoolExecutor(8) as pool:
            rings = list(pool.map(lambda _: Keyring.open(path, create_missing=True), range(32)))
        assert 1 == len({ring.current.id for ring in rings})
        assert [path] == list(tmp_path.iterdir())

    @pytest.mark.parametrize("mode", [0o404, 0o444, 0o402, 0o420, 0o666, 0o401])
    def test_open_to_others_is_refused(self, tmp_path: Path, mode: int) -> None:
        """The pepper is what stands between a stolen database and its keys."""
        path = tmp_path / "pepper"
        path.write_text(secrets.token_hex(32))
        path.chmod(mode)
        with pytest.raises(PepperRefused, match="chmod 0400"):
            Keyring.open(path)

    def test_readable_by_its_group_is_accepted(self, tmp_path: Path) -> None:
        """A secret mounted with a group (0440) is how orchestrators hand files to a service."""
        path = tmp_path / "pepper"
        path.write_text(secrets.token_hex(32))
        path.chmod(0o440)
        assert Keyring.open(path).current.id

    def test_a_named_pipe_or_directory_is_refused_at_once(self, tmp_path: Path) -> None:
        """A start must not hang on a file that never ends."""
        os.mkfifo(tmp_path / "pipe", 0o400)
        for path in (tmp_path / "pipe", tmp_path):
            with pytest.raises(PepperRefused):
                Keyring.open(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "0 bytes"),
            (b"short", "5 bytes"),
            (b"0123456789abcdef0123456789abcde", "31 bytes"),
            (b"x" * 64, "a pattern"),
            (b"ab" * 40, "a pattern"),
            (b"change-me-change-me-change-me-1234567890", "an example"),
            (b"this-is-an-EXAMPLE-from-0123456789abcdef", "an example"),
            (secrets.token_bytes(5000), "more than 4096"),
        ],
    )
    def test_a_weak_or_odd_one_is_refused_with_its_reason(
        self, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        """S1:21: secrets are checked at start, and the message never quotes them."""
        path = tmp_path / "pepper"
        path.write_bytes(content)
        path.chmod(0o400)
        with pytest.raises(PepperRefused, match=reason) as refused:
            Keyring.open(path)
        assert not content or content.decode("latin-1") not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz012345",
        "00112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff" * 2,
        "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0",
        "deadbeef" * 8,
        "Tr0ub4dor&3-" * 4,
        "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffgggggggghhhhhhhh",
        "qwertyuiopasdfghjklzxcvbnm123456",
        "supersecretsupersecretsupersecret!",
        "your_pepper_goes_here_your_pepper",
        "this-is-a-secret-please-replace-me",
        "insert-32-or-more-random-bytes-here",
    ],
)
def test_a_pepper_that_somebody_typed_is_refused(text: str) -> None:
    """Issue 4.6: boot refuses short or example secrets; patterns and texts are no better."""
    with pytest.raises(PepperRefused, match="an example, a pattern or a text"):
        Keyring.from_secrets(SecretStr(text))


@pytest.mark.parametrize("draw", [secrets.token_hex, secrets.token_urlsafe])
def test_a_pepper_that_was_drawn_is_taken(draw: Callable[[int], str]) -> None:
    """Of 192 bits or more, in hex or base64: not one in a million looks typed by chance."""
    drawn = [SecretStr(draw(size)) for size in (24, 32, 64) for _ in range(100)]
    assert len(drawn) == len({Keyring.from_secrets(each).current.id for each in drawn})


def test_a_pepper_given_twice_counts_once() -> None:
    """The same value in both settings must not double the work of every call."""
    same = Pepper(secrets.token_bytes(32), origin="here")
    assert 1 == len(Keyring(same, same).macs(KEY))


@given(secret=st.binary(min_size=32, max_size=200), message=st.binary(max_size=300))
def test_the_mac_is_hmac_sha256(secret: bytes, message: bytes) -> None:
    """The keyed states made ahead give what the standard library's HMAC gives (RFC 2104)."""
    try:
        pepper = Pepper(secret, origin="test")
    except PepperRefused:
        reject()
    assert hmac.digest(secret, message, "sha256") == pepper.mac(message)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_pepper_of_another_user_is_refused(tmp_path: Path) -> None:
    """P6: whoever owns the file knows the pepper, and may have planted it."""
    file = tmp_path / "pepper"
    file.write_text(secrets.token_hex(32))
    file.chmod(0o400)
    os.chown(file, 65534, 65534)

    with pytest.raises(PepperRefused, match="another user"):
        Keyring.open(file)
