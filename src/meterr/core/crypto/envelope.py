"""
Sealed values: each under a key of its own record, bound to the place where it stands.

A sealed value is ``version byte | key version, 4 bytes | nonce, 12 | ciphertext | tag, 16``. The
key of a record comes from the tenant's data key by HKDF-SHA256 over the place; the place and the
key version are also what AES-256-GCM authenticates. So a value that is moved to another row,
column, table or tenant, or altered in any bit, does not open. Pure: nonces are arguments.
"""

import struct
import uuid
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from meterr.core.crypto.canonical import encode
from meterr.core.crypto.errors import Unreadable
from meterr.core.crypto.key_text import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from meterr.core.crypto.unshown import Unshown

FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BI")
OVERHEAD_BYTES: Final = _HEAD.size + NONCE_BYTES + TAG_BYTES
PLAINTEXT_BYTES_MAX: Final = 64 * 1024 * 1024

_RECORD_LABEL: Final = b"meterr record key 1"
_AAD_LABEL: Final = b"meterr sealed value 1"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a sealed value stands: it opens nowhere else.

    ``row`` holds the key columns of the row beside tenant_id, in the table's order, as PostgreSQL
    writes them as text.
    """

    tenant_id: str
    table: str
    column: str
    row: tuple[str, ...]

    def encoded(self) -> bytes:
        """Return the one encoding of this place."""
        return encode(
            uuid.UUID(self.tenant_id).bytes,
            self.table.encode(),
            self.column.encode(),
            encode(*[each.encode() for each in self.row]),
        )


class DataKey(Unshown):
    """One version of one tenant's data key."""

    __slots__ = ("__secret", "tenant_id", "version")

    def __init__(self, tenant_id: str, version: int, secret: bytes) -> None:
        self.tenant_id = tenant_id
        self.version = version
        self.__secret = secret

    def seal(self, place: Place, plaintext: bytes, nonce: bytes) -> bytes:
        """
        Return ``plaintext`` sealed for ``place``.

        ``nonce`` is 12 random bytes, fresh for every call: two for one record with the same nonce
        give both values away. Raises ValueError for a value over 64 MiB or another tenant's place.
        """
        if len(nonce) != NONCE_BYTES or len(plaintext) > PLAINTEXT_BYTES_MAX:
            raise ValueError("a nonce has 12 bytes and a value at most 64 MiB")
        if place.tenant_id != self.tenant_id:
            raise ValueError("a tenant's data key seals only that tenant's values")
        head = _HEAD.pack(FORMAT, self.version)
        where = place.encoded()
        return head + nonce + self._cipher(where).encrypt(nonce, plaintext, _aad(head, where))

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Return the plaintext; raise Unreadable for anything that ``seal`` did not make here."""
        if key_version(sealed) != self.version or place.tenant_id != self.tenant_id:
            raise Unreadable
        head, rest = sealed[: _HEAD.size], sealed[_HEAD.size :]
        where = place.encoded()
        try:
            return self._cipher(where).decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], _aad(head, where)
            )
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def secret(self) -> bytes:
        """Return the key itself: to be wrapped, and nothing else."""
        return self.__secret

    def _cipher(self, where: bytes) -> AESGCM:
        info = encode(_RECORD_LABEL, where)
        return AESGCM(HKDF(SHA256(), KEY_BYTES, None, info).derive(self.__secret))

    def _shown(self) -> str:
        return f"{self.tenant_id} {self.version}"


def key_version(sealed: bytes) -> int:
    """Return the data key version that ``sealed`` names. Raises Unreadable when it is none."""
    if len(sealed) < OVERHEAD_BYTES:
        raise Unreadable
    form, version = _HEAD.unpack_from(sealed)
    if form != FORMAT or version == 0:
        raise Unreadable
    return int(version)


def _aad(head: bytes, where: bytes) -> bytes:
    return encode(_AAD_LABEL, head, where)
