"""An access token is refused when anything about it is wrong, whatever is right about the rest."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.tokens import Claims, Flaw, SigningKey, TokenRefused, VerifyingKey, sign, verify
from support.tokens import (
    ATTACKS,
    CLAIMS,
    GOOD,
    HEADER,
    KEY,
    KEYS,
    NOW_S,
    PAYLOAD,
    RULES,
    assembled,
    flaw_of,
    with_claims,
    with_header,
)


def test_the_token_that_all_attacks_change_is_good() -> None:
    """Otherwise every attack would be refused for that."""
    assert CLAIMS == verify(GOOD, KEYS.get, NOW_S, RULES)
    assert GOOD.split(".")[:2] == sign(KEY, CLAIMS, RULES).split(".")[:2]
    assert flaw_of(with_claims()) is None


def test_there_are_more_attacks_than_the_bar_asks_for() -> None:
    """Section 5: at least 25."""
    assert len(ATTACKS) >= 100
    assert GOOD not in ATTACKS.values()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_token_is_refused(attack: str) -> None:
    """S1:169, row 32; section 4, JWT attack matrix: 0 accepted."""
    assert flaw_of(ATTACKS[attack]) is not None


def test_every_flipped_bit_is_refused() -> None:
    """Section 5: of the token's bytes, each bit alone."""
    raw = GOOD.encode()
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            assert flaw_of(changed.decode("latin-1")) is not None


def test_every_changed_character_is_refused() -> None:
    """Also one that decodes to the same bytes: no two texts are one token."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/"
    ends = {place - 1 for place, letter in enumerate(GOOD) if letter == "."} | {len(GOOD) - 1}
    for place in range(len(GOOD)):
        others = letters if place in ends or place % 7 == 0 else "A_.="
        for letter in others:
            if letter != GOOD[place]:
                assert flaw_of(GOOD[:place] + letter + GOOD[place + 1 :]) is not None


def test_every_cut_and_every_doubled_character_is_refused() -> None:
    """Shorter or longer by anything."""
    for place in range(len(GOOD)):
        assert flaw_of(GOOD[:place]) is not None
        assert flaw_of(GOOD[:place] + GOOD[place : place + 1] + GOOD[place:]) is not None
        assert flaw_of(GOOD[:place] + GOOD[place + 1 :]) is not None


@given(st.text(max_size=1100))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    """What strangers send has one answer, and no exception of a library's."""
    assert flaw_of(text) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(HEADER)), JSON)
def test_no_other_value_of_a_header_member_is_accepted(name: str, value: Any) -> None:
    """Of any JSON type, rightly signed."""
    text = json.dumps({**HEADER, name: value})
    assert value == HEADER[name] or flaw_of(assembled(text, json.dumps(PAYLOAD))) is not None


@given(st.sampled_from(sorted(set(PAYLOAD) - {"sub", "sid", "jti"})), JSON)
def test_no_other_value_of_a_claim_is_accepted(name: str, value: Any) -> None:
    """Of any JSON type, rightly signed; a shorter life is the one thing that may differ."""
    text = json.dumps({**PAYLOAD, name: value})
    shorter = name == "exp" and type(value) is int and NOW_S < value < NOW_S + 300
    same = type(value) is type(PAYLOAD[name]) and value == PAYLOAD[name]
    assert same or shorter or flaw_of(assembled(json.dumps(HEADER), text)) is not None


@given(st.integers(NOW_S - 1000, NOW_S + 1000))
def test_a_token_counts_from_its_beginning_to_its_end_and_the_leeway_around(now_s: int) -> None:
    """Not a second longer."""
    counts = NOW_S - RULES.leeway_s <= now_s < NOW_S + 300 + RULES.leeway_s
    assert counts == (flaw_of(GOOD, now_s) is None)


def test_the_flaw_is_for_us_and_nothing_of_the_token_is_in_it() -> None:
    """P6: what was presented is in no error."""
    for token in ATTACKS.values():
        with pytest.raises(TokenRefused) as refused:
            verify(token, KEYS.get, NOW_S, RULES)
        assert refused.value.flaw.value == str(refused.value)
        assert refused.value.__cause__ is None


def test_a_key_is_asked_for_by_its_name_once_and_only_when_it_can_be_one() -> None:
    """A name that is no name of a key reaches nothing that looks keys up."""
    asked: list[str] = []

    def key_of(kid: str) -> VerifyingKey | None:
        asked.append(kid)
        return KEYS.get(kid)

    for token in (*ATTACKS.values(), GOOD):
        before = len(asked)
        with contextlib.suppress(TokenRefused):
            verify(token, key_of, NOW_S, RULES)
        assert len(asked) - before <= 1
    assert {"s1-current", "s2-other", "s3-unknown"} == set(asked)


def test_a_key_set_that_answers_with_another_key_is_not_believed() -> None:
    """The name in the header and the key's own name are one."""
    with pytest.raises(TokenRefused) as refused:
        verify(with_header(kid="s9-any"), lambda _: KEY.verifying, NOW_S, RULES)
    assert Flaw.KEY is refused.value.flaw


@pytest.mark.parametrize(
    "claims",
    [
        Claims("ada", CLAIMS.session_id, CLAIMS.token_id, NOW_S, NOW_S + 300),
        Claims(CLAIMS.user_id, CLAIMS.session_id, CLAIMS.token_id, NOW_S, NOW_S + 301),
        Claims(CLAIMS.user_id, CLAIMS.session_id, CLAIMS.token_id, NOW_S, NOW_S),
    ],
)
def test_what_would_be_refused_is_not_signed(claims: Claims) -> None:
    """A slip of ours fails where it is made."""
    with pytest.raises(TokenRefused):
        sign(KEY, claims, RULES)


def test_keys_show_nothing() -> None:
    """P6: no private key in a repr, a pickle or a copy."""
    seed = KEY.seed()
    shown = f"{KEY!r} {KEY} {KEY.verifying!r}"
    assert "<SigningKey s1-current> <SigningKey s1-current> <VerifyingKey s1-current>" == shown
    assert seed.hex() not in shown
    with pytest.raises(TypeError):
        KEY.__reduce_ex__(4)


@pytest.mark.parametrize("kid", ["", "S1", "-a", "a" * 41, "a/b", "a.b", "a\n", "é", "a b"])
def test_a_key_has_a_plain_name_and_32_bytes(kid: str) -> None:
    """S1:169, row 31: `"a"` was a secret there; here a key has 32 bytes, and names are plain."""
    with pytest.raises(ValueError, match="a key has a name"):
        VerifyingKey(kid, bytes(32))
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey("fine", b"short")
