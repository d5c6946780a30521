"""Sealed values: they open where they were sealed, unaltered, and nowhere else."""

import itertools
import os
import pickle
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.crypto.canonical import encode
from meterr.core.crypto.envelope import OVERHEAD_BYTES, DataKey, Place, key_version
from meterr.core.crypto.errors import Unreadable
from meterr.core.crypto.key_text import NONCE_BYTES, TAG_BYTES, mint
from meterr.core.crypto.wrapping import WRAPPED_BYTES, unwrap, wrap

TENANTS = tuple(str(uuid.UUID(int=number)) for number in range(1, 11))
COLUMNS = ("secret", "note", "answer", "prompt", "token")
TABLES = ("provider_credential", "prompt")
FLIPS = 100_000
SECRET = b"sk-canary-5d0c1e7a"

names = st.text(min_size=1, max_size=20)
places = st.builds(
    Place,
    tenant_id=st.sampled_from(TENANTS),
    table=names,
    column=names,
    row=st.lists(names, min_size=1, max_size=3).map(tuple),
)


def data_key(tenant_id: str = TENANTS[0], version: int = 1, secret: bytes | None = None) -> DataKey:
    return DataKey(tenant_id, version, secret or os.urandom(32))


def place(row: str = "openai", tenant_id: str = TENANTS[0]) -> Place:
    return Place(tenant_id, "provider_credential", "secret", (row,))


def sealed(key: DataKey, where: Place, plaintext: bytes = SECRET) -> bytes:
    return key.seal(where, plaintext, os.urandom(NONCE_BYTES))


def opens(key: DataKey, where: Place, value: bytes) -> bool:
    """Return whether it opens; whatever else than Unreadable comes fails the test."""
    try:
        key.open(where, value)
    except Unreadable:
        return False
    return True


@given(places, st.binary(max_size=300), st.binary(min_size=12, max_size=12))
def test_what_is_sealed_opens_in_its_place(where: Place, plaintext: bytes, nonce: bytes) -> None:
    """S1:222: the round trip, whatever the text and the names."""
    key = data_key(where.tenant_id)

    value = key.seal(where, plaintext, nonce)

    assert plaintext == key.open(where, value)
    assert len(value) == len(plaintext) + OVERHEAD_BYTES


@given(places, places)
def test_two_places_have_two_encodings(one: Place, other: Place) -> None:
    """S1:223: additional data that two places share would let a value move between them."""
    assert (one == other) == (one.encoded() == other.encoded())


@given(st.lists(st.binary(max_size=9), max_size=5), st.lists(st.binary(max_size=9), max_size=5))
def test_no_two_lists_are_encoded_alike(one: list[bytes], other: list[bytes]) -> None:
    """S1:223: the encoding is canonical, also where one field ends and the next begins."""
    assert (one == other) == (encode(*one) == encode(*other))


def test_of_a_thousand_rows_none_opens_in_the_place_of_another() -> None:
    """S1:223: every move in a matrix of tenants, tables, columns and rows: 0 of 999,000 accepted.

    One data key for all tenants here, so that it is the place alone that refuses.
    """
    secret = os.urandom(32)
    keys = {tenant: data_key(tenant, secret=secret) for tenant in TENANTS}
    cells = [
        Place(tenant, table, column, (row,))
        for tenant, table, column in itertools.product(TENANTS, TABLES, COLUMNS)
        for row in map(str, range(10))
    ]
    values = [sealed(keys[cell.tenant_id], cell) for cell in cells]
    assert len(cells) == 1000
    assert all(
        opens(keys[cell.tenant_id], cell, value) for cell, value in zip(cells, values, strict=True)
    )

    accepted = [
        (cell, position)
        for position, value in enumerate(values)
        for cell in cells
        if cell != cells[position] and opens(keys[cell.tenant_id], cell, value)
    ]

    assert [] == accepted


def test_no_flipped_bit_is_accepted() -> None:
    """S1:222, S1:241: 100,000 values with one bit flipped, anywhere: 0 accepted."""
    key, chance = data_key(), random.Random(20261123)
    value = sealed(key, place(), os.urandom(64))
    bits = 8 * len(value)
    accepted = 0
    for number in range(FLIPS):
        bit = number if number < bits else chance.randrange(bits)
        altered = bytearray(value if number < bits else sealed(key, place(), b"x" * 64))
        altered[bit // 8] ^= 1 << bit % 8
        accepted += opens(key, place(), bytes(altered))

    assert 0 == accepted


@pytest.mark.parametrize("tag_bytes", range(TAG_BYTES))
def test_no_short_tag_is_accepted(tag_bytes: int) -> None:
    """S1:241: a tag of 0 to 15 bytes; Node's GCM takes one of 4."""
    key = data_key()
    for length in (0, 1, 18, 300):
        value = sealed(key, place(), os.urandom(length))
        assert not opens(key, place(), value[: len(value) - TAG_BYTES + tag_bytes])


def test_nothing_cut_short_or_added_to_is_accepted() -> None:
    """S1:241: every prefix, and more at either end."""
    key = data_key()
    value = sealed(key, place())

    assert not any(opens(key, place(), value[:end]) for end in range(len(value)))
    assert not opens(key, place(), value + b"\0")
    assert not opens(key, place(), b"\0" + value)


def test_the_key_version_is_read_from_the_value_and_cannot_be_changed() -> None:
    """S1:230: the snippet's values name no key; ours do, and authenticate the name."""
    secret = os.urandom(32)
    first, second = data_key(version=1, secret=secret), data_key(version=2, secret=secret)
    value = sealed(first, place())

    assert 1 == key_version(value)
    assert not opens(second, place(), value)
    assert not opens(second, place(), value[:4] + b"\x02" + value[5:])


@pytest.mark.parametrize("head", [b"\x00", b"\x02", b"\xff"])
def test_an_unknown_format_is_unreadable(head: bytes) -> None:
    """S1:230: a version we do not know is refused, not guessed at."""
    key = data_key()

    assert not opens(key, place(), head + sealed(key, place())[1:])


def test_the_same_text_is_never_sealed_alike() -> None:
    """S1:222: there the IV is ignored and equal texts give equal ciphertexts."""
    key = data_key()
    values = {sealed(key, place()) for _ in range(1000)}

    assert 1000 == len({value[5:17] for value in values})  # the nonces
    assert 1000 == len({value[17:] for value in values})


def test_one_nonce_for_two_records_gives_neither_away() -> None:
    """S1:222: a key of its own for each record, so that one leaked text decrypts no other."""
    key, nonce = data_key(), bytes(12)
    one, other = (key.seal(place(row), SECRET, nonce) for row in ("a", "b"))

    assert one[17:] != other[17:]


def test_every_failure_says_the_same_and_nothing_else() -> None:
    """S1:241: an error that tells why is an oracle."""
    key = data_key()
    value = sealed(key, place())
    told = set()
    for attempt in (b"", value[:-1], value[:-1] + b"\0", b"\x07" + value[1:], os.urandom(99)):
        with pytest.raises(Unreadable) as caught:
            key.open(place(), attempt)
        told.add((str(caught.value), caught.value.detail, caught.value.private))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    assert 1 == len(told)


def test_a_data_key_shows_itself_nowhere() -> None:
    """P6: not in a repr, not in a pickle."""
    key = data_key(secret=b"canary-key-canary-key-canary-key")

    assert "canary" not in f"{key!r} {key} {vars(type(key))}"
    with pytest.raises(TypeError, match="neither pickled"):
        pickle.dumps(key)


class TestWrapping:
    """Data keys under a key-encryption key."""

    def test_a_wrapped_key_comes_back(self) -> None:
        """S1:217: 32 bytes in, 32 bytes out."""
        kek, key = mint("k1", os.urandom), data_key()

        wrapped = wrap(key, kek, os.urandom(12))

        assert WRAPPED_BYTES == len(wrapped)
        assert key.secret() == unwrap(wrapped, kek, key.tenant_id, 1).secret()

    def test_it_belongs_to_its_tenant_its_version_and_its_key(self) -> None:
        """S1:223: a data key put into another tenant's row would open that tenant's values."""
        material = os.urandom(32)
        kek, renamed = (mint(kid, lambda _: material) for kid in ("k1", "k2"))
        key = data_key()
        wrapped = wrap(key, kek, os.urandom(12))

        for under, tenant, version in (
            (kek, TENANTS[1], 1),
            (kek, TENANTS[0], 2),
            (renamed, TENANTS[0], 1),
        ):
            with pytest.raises(Unreadable):
                unwrap(wrapped, under, tenant, version)

    def test_no_flipped_bit_and_no_cut_is_accepted(self) -> None:
        """S1:241: every bit of it."""
        kek, key = mint("k1", os.urandom), data_key()
        wrapped = wrap(key, kek, os.urandom(12))
        altered = [
            bytes(byte ^ (1 << bit) if at == position else byte for at, byte in enumerate(wrapped))
            for position in range(len(wrapped))
            for bit in range(8)
        ]
        for attempt in [*altered, *(wrapped[:end] for end in range(len(wrapped)))]:
            with pytest.raises(Unreadable):
                unwrap(attempt, kek, key.tenant_id, 1)
