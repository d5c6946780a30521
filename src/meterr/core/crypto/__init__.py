"""Encryption at rest: key-encryption keys, data keys per tenant, sealed values. See README.md."""

from meterr.core.crypto.data_keys import DataKeys
from meterr.core.crypto.envelope import Place
from meterr.core.crypto.errors import KeyMissing, KeyRefused, Unreadable
from meterr.core.crypto.key_text import mint
from meterr.core.crypto.keys import KeyEncryptionKeys
from meterr.core.crypto.rotation import (
    Progress,
    Rotated,
    retire_key_encryption_keys,
    rewrap_data_keys,
    rotate_data_keys,
)
from meterr.core.crypto.sealed_column import SealedColumn
from meterr.core.crypto.status import key_uses

__all__ = [
    "DataKeys",
    "KeyEncryptionKeys",
    "KeyMissing",
    "KeyRefused",
    "Place",
    "Progress",
    "Rotated",
    "SealedColumn",
    "Unreadable",
    "key_uses",
    "mint",
    "retire_key_encryption_keys",
    "rewrap_data_keys",
    "rotate_data_keys",
]
