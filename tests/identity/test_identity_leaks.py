"""Keys in the wrong place: each one is found, ours are revoked, none is repeated."""

import logging
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_identity_keys import everything_stored, replaced

from meterr.core.db import Database, Role
from meterr.identity import Environment, KeyRefused, Keyring, revoke_key
from meterr.identity.api_key import mint
from meterr.identity.leaks import Fate, Leak, revoke_leaked, scan
from meterr.identity.model import KeyState
from support.identity import House, outcome

drawn = st.binary(min_size=26, max_size=26).map(lambda raw: bytes(each % 248 for each in raw))
keys = st.builds(
    lambda environment, raw: mint(environment, lambda n: raw[:n]).presented,
    st.sampled_from(Environment),
    drawn,
)
# What stands around keys: anything, and what looks most like the beginning of one.
noise = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"sk-meterr_", b"sk-meterr_live_", b"s", b"sk", b"sk-meterr_test_" + b"s" * 31]
    ),
)
texts = st.lists(st.one_of(noise, keys), max_size=8)


def found(*chunks: bytes) -> list[bytes]:
    return [key.presented for key in scan(chunks)]


class TestTheScan:
    @given(noise, keys, noise)
    def test_finds_a_key_in_whatever_surrounds_it(
        self, before: bytes, key: bytes, after: bytes
    ) -> None:
        """S2:17: the grep of the checklist found 0 of 4 real secrets."""
        assert key in found(before + key + after)

    @given(keys, st.sampled_from([1, 2, 3]))
    def test_finds_a_key_that_begins_inside_what_only_looks_like_one(
        self, key: bytes, shared: int
    ) -> None:
        """The last letters of a wrong one may be the first of a right one."""
        wrong = b"sk-meterr_live_" + b"0" * (32 - shared)
        assert key in found(wrong + key)

    @given(texts, st.lists(st.integers(0, 500), max_size=5))
    def test_finds_the_same_however_the_text_is_cut(
        self, parts: list[bytes], cuts: list[int]
    ) -> None:
        """A file is read in pieces."""
        text = b"".join(parts)
        edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
        pieces = [text[low:high] for low, high in pairwise(edges)]
        assert found(text) == found(*pieces)

    @given(keys, st.integers(15, 46), st.sampled_from(b"0123456789abcXYZ"))
    def test_ignores_what_has_a_wrong_checksum(self, key: bytes, at: int, letter: int) -> None:
        """S2:17: `task-runner` and `risk-score` were false alarms; one wrong letter is none."""
        wrong = key[:at] + bytes([letter]) + key[at + 1 :]
        assert (wrong == key) == bool(found(wrong))

    @pytest.mark.parametrize("text", [b"", b"task-runner risk-score", b"sk-meterr_live_", b"\x00"])
    def test_finds_nothing_in_prose(self, text: bytes) -> None:
        """S2:152."""
        assert [] == found(text)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


async def leaked(
    house: House, *texts: bytes, dry_run: bool = False, keyring: Keyring | None = None
) -> list[Leak]:
    async with Database.open(house.dsn, Role.AUTH) as auth:
        return await revoke_leaked(auth, house.db, keyring or house.keyring, texts, dry_run=dry_run)


class TestLeakedKeys:
    async def test_of_ours_are_revoked_and_named_and_others_left(self, house: House) -> None:
        """Issue 4, 11: revoke, and say which; what is nobody's is said, too."""
        ours, gone, safe = [await house.key(name=name) for name in ("ours", "gone", "safe")]
        await revoke_key(house.db, house.tenant_id, gone.record.key_id)
        stranger = mint(Environment.LIVE, lambda n: b"\x09" * n).presented
        one, two = ours.secret.presented, gone.secret.presented
        found = await leaked(house, b"x=" + one + b"\n" + two, stranger + b" " + one)
        assert {
            ("ours", Fate.REVOKED, 2),
            ("gone", Fate.WAS_REVOKED, 1),
            ("", Fate.UNKNOWN, 1),
        } == {(leak.name, leak.fate, leak.occurrences) for leak in found}
        assert KeyState.REVOKED is (await house.record(ours.record.key_id)).state
        assert KeyState.ACTIVE is (await house.record(safe.record.key_id)).state
        async with house.process() as process:
            assert isinstance(await outcome(process.authenticate(one)), KeyRefused)

    async def test_are_left_alone_by_a_dry_run(self, house: House) -> None:
        """First look, then act."""
        key = await house.key()
        (leak,) = await leaked(house, key.secret.presented, dry_run=True)
        assert (Fate.WOULD_BE_REVOKED, key.record.key_id) == (leak.fate, leak.key_id)
        assert KeyState.ACTIVE is (await house.record(key.record.key_id)).state

    async def test_are_found_under_the_previous_pepper_too(self, house: House) -> None:
        """A change of the pepper hides no leak."""
        key = await house.key()
        both = Keyring.from_secrets(replaced(house), house.pepper)
        (leak,) = await leaked(house, key.secret.presented, keyring=both)
        assert Fate.REVOKED is leak.fate

    async def test_are_repeated_nowhere(
        self, house: House, admin_dsn: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """P6: what leaked once is not copied into our own logs."""
        caplog.set_level(logging.DEBUG)
        key = await house.key(name="canary")
        found = await leaked(house, key.secret.presented)
        seen = repr(found) + caplog.text + everything_stored(admin_dsn)
        assert "canary" in seen
        assert key.secret.reveal()[15:41] not in seen
