"""The text of a key: what is minted parses, and nothing else does."""

import copy
import os
import pickle
import random
import re
import string
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.identity.api_key import (
    ApiKey,
    Environment,
    Flaw,
    display,
    flaw_of,
    mint,
    parse,
)

# The regular expression that the seed's own validator asks of the part behind the prefix.
SEED_KEY = re.compile(r"[A-Za-z0-9]{32}")
ALPHABET = (string.digits + string.ascii_letters).encode()

environments = st.sampled_from(Environment)
seeds = st.integers(0, 2**32)


def minted(environment: Environment, seed: int = 7) -> ApiKey:
    return mint(environment, random.Random(seed).randbytes)


class TestAMintedKey:
    @given(environments, seeds)
    def test_parses_back_to_itself(self, environment: Environment, seed: int) -> None:
        """S1:335: what we hand out is what we accept."""
        key = minted(environment, seed)
        parsed = parse(key.presented)
        assert parsed is not None
        assert (key.reveal(), environment) == (parsed.reveal(), parsed.environment)

    @given(environments, seeds)
    def test_has_the_shape_of_the_checklist(self, environment: Environment, seed: int) -> None:
        """S1:128: 32 alphanumeric characters behind a prefix that names the environment."""
        prefix, _, rest = minted(environment, seed).reveal().rpartition("_")
        assert f"sk-meterr_{environment}" == prefix
        assert SEED_KEY.fullmatch(rest)

    def test_never_repeats(self) -> None:
        """S1:333: keys come from the system's own randomness."""
        assert 10_000 == len({mint(Environment.LIVE, os.urandom).reveal() for _ in range(10_000)})

    def test_favours_no_character(self) -> None:
        """S1:333: a byte modulo 62 would make the first eight characters a quarter more likely."""
        draw = random.Random(1).randbytes
        seen = Counter("".join(mint(Environment.LIVE, draw).reveal()[15:41] for _ in range(10_000)))
        expected = 260_000 / 62
        assert 62 == len(seen)
        assert all(0.9 * expected < count < 1.1 * expected for count in seen.values())

    def test_needs_no_luck_with_its_randomness(self) -> None:
        """Rejected bytes are drawn again, and the key keeps its length."""
        draws = iter([b"\xff" * 26, b"\xf8" * 26, bytes(26), bytes(26)])
        assert "0" * 26 == mint(Environment.TEST, lambda _: next(draws)).reveal()[15:41]


class TestWhatIsNoKey:
    @given(environments, seeds)
    def test_any_one_character_changed_is_refused(
        self, environment: Environment, seed: int
    ) -> None:
        """A typing error never reaches the database: CRC-32 sees every burst up to 32 bits."""
        good = minted(environment, seed).presented
        for at in range(len(good)):
            for other in ALPHABET:
                if other != good[at]:
                    mutant = good[:at] + bytes([other]) + good[at + 1 :]
                    assert parse(mutant) is None, mutant

    @given(environments, seeds, st.data())
    def test_cut_padded_and_swapped_keys_are_refused(
        self, environment: Environment, seed: int, data: st.DataObject
    ) -> None:
        """S1:159: `key + "garbage"` was accepted by the checklist's own snippet."""
        good = minted(environment, seed).presented
        cut = data.draw(st.integers(0, len(good) - 1))
        extra = data.draw(st.binary(min_size=1, max_size=80))
        for bad in (good[:cut], good + extra, extra + good, good[:cut] + extra + good[cut:]):
            assert parse(bad) is None

    def test_the_environment_is_part_of_the_checksum(self) -> None:
        """S1:336: a test key does not become a live key by renaming it."""
        live = minted(Environment.LIVE).presented
        assert Flaw.CHECKSUM is flaw_of(live.replace(b"live", b"test"))

    def test_100_000_random_texts_of_the_right_shape_never_pass(self) -> None:
        """Chance would let one in 2**32 through."""
        draw = random.Random(99)
        for _ in range(100_000):
            body = bytes(draw.choices(ALPHABET, k=32))
            assert Flaw.CHECKSUM is flaw_of(b"sk-meterr_live_" + body)

    @given(st.binary(max_size=200))
    def test_no_bytes_whatever_raise(self, presented: bytes) -> None:
        """CVE-2026-42208: what is no key is told by its text alone."""
        assert parse(presented) is None
        assert Flaw.MALFORMED is flaw_of(presented)

    @pytest.mark.parametrize(
        "presented",
        [
            b"' OR 1=1 --",
            b"\x00",
            b"sk-meterr_live_" + b"\x00" * 32,
            "sk-meterr_live_ｘ".encode(),
            "é".encode("latin-1"),
            b"x" * 10_000_000,
            minted(Environment.LIVE).presented + b"\n",
            b" " + minted(Environment.LIVE).presented,
            minted(Environment.LIVE).presented.upper(),
        ],
        ids=range(9),
    )
    def test_hostile_texts_are_malformed(self, presented: bytes) -> None:
        """GHSA-r75f-5x8p-qvmc: an Authorization header is never part of a statement."""
        assert Flaw.MALFORMED is flaw_of(presented)


class TestTheSecretOfAKey:
    def test_shows_in_no_rendering(self) -> None:
        """P6: only `reveal` gives the text away."""
        key = minted(Environment.LIVE)
        hidden = key.reveal()[15:-4]
        for text in (repr(key), str(key), f"{key}", f"{key!r:>60}", repr([key]), repr({"k": key})):
            assert hidden not in text
        assert f"sk-meterr_live_…{key.reveal()[-4:]}" == str(key)
        parsed = parse(key.presented)
        assert hidden not in repr(parsed)

    def test_does_not_serialise(self) -> None:
        """P6: a key in a pickled task or a deep-copied log record would be a leak."""
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy, vars, asdict):
            with pytest.raises(TypeError):
                attempt(minted(Environment.LIVE))  # type: ignore[operator]  # one of five unlike callables

    def test_display_needs_no_secret(self) -> None:
        """The record alone is enough to recognise a key by."""
        assert "sk-meterr_test_…x9Kp" == display(Environment.TEST, "x9Kp")
