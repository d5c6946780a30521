"""
Data keys under a key-encryption key: ``version byte | nonce, 12 | ciphertext, 32 | tag, 16``.

AES-256-GCM authenticates the name of the key-encryption key, the tenant and the version with it, so
one tenant's data key cannot be passed off as another's. Pure: nonces are arguments.
"""

import struct
import uuid
from typing import Final

from meterr.core.crypto.canonical import encode
from meterr.core.crypto.envelope import DataKey
from meterr.core.crypto.errors import Unreadable
from meterr.core.crypto.key_text import KEY_BYTES, NONCE_BYTES, TAG_BYTES, KeyEncryptionKey

FORMAT: Final = b"\x01"
WRAPPED_BYTES: Final = len(FORMAT) + NONCE_BYTES + KEY_BYTES + TAG_BYTES
_LABEL: Final = b"meterr data key 1"
_VERSION: Final = struct.Struct(">I")


def wrap(key: DataKey, under: KeyEncryptionKey, nonce: bytes) -> bytes:
    """Return ``key`` wrapped ``under`` a key-encryption key; ``nonce`` is 12 fresh random bytes."""
    aad = _aad(under, key.tenant_id, key.version)
    return FORMAT + nonce + under.encrypt(nonce, key.secret(), aad)


def unwrap(wrapped: bytes, under: KeyEncryptionKey, tenant_id: str, version: int) -> DataKey:
    """Return the data key, or raise Unreadable for anything that ``wrap`` did not make for it."""
    if len(wrapped) != WRAPPED_BYTES or wrapped[:1] != FORMAT:
        raise Unreadable
    nonce, ciphertext = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
    secret = under.decrypt(nonce, ciphertext, _aad(under, tenant_id, version))
    return DataKey(tenant_id, version, secret)


def _aad(under: KeyEncryptionKey, tenant_id: str, version: int) -> bytes:
    return encode(_LABEL, under.kid.encode(), uuid.UUID(tenant_id).bytes, _VERSION.pack(version))
