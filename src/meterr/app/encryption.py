"""The key-encryption keys of this installation: where they come from, and their rotation."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from meterr.core.clock import Clock, as_datetime
from meterr.core.crypto import KeyEncryptionKeys, KeyMissing, KeyRefused, mint
from meterr.core.crypto.key_file import (
    create_file,
    keep_retired,
    only_one,
    open_file,
    replace_file,
)
from meterr.core.crypto.key_text import KeyEncryptionKey
from meterr.core.private_file import refuse_open_to_others
from meterr.core.secrets import Scheme
from meterr.core.settings import Settings

KEY_FILE: Final = "key-encryption-keys"
RETIRED_FILE: Final = "key-encryption-keys.retired"


def key_file(settings: Settings) -> Path:
    """Return where ``meterr up`` keeps the keys when nobody configured any."""
    return settings.data_dir / KEY_FILE


def retired_file(settings: Settings) -> Path:
    """Return where keys of that file go when they retire: backups of before still need them."""
    return settings.data_dir / RETIRED_FILE


def configured(settings: Settings) -> KeyEncryptionKeys | None:
    """
    Return the keys from the settings, else from the file that ``meterr up`` made, else None.

    Raises KeyRefused when one of them cannot be used.
    """
    if settings.key_encryption_key is not None:
        _refuse_open_files(settings)
        return KeyEncryptionKeys.from_secrets(
            settings.key_encryption_key, settings.key_encryption_keys_previous
        )
    if settings.key_encryption_keys_previous is not None:
        raise KeyMissing(
            "METERR_KEY_ENCRYPTION_KEYS_PREVIOUS is set and METERR_KEY_ENCRYPTION_KEY is not: one "
            "key must be the current one."
        )
    file = key_file(settings)
    return open_file(file) if file.exists() else None


def _refuse_open_files(settings: Settings) -> None:
    """Hold ``file:/path`` to what ``METERR_KEY_ENCRYPTION_KEY_FILE`` is held to."""
    for name in ("key_encryption_key", "key_encryption_keys_previous"):
        setting = getattr(settings, name)
        if setting is None or setting.reference is None or setting.reference.scheme != Scheme.FILE:
            continue
        file = Path(setting.reference.place)
        if file.exists():  # who reads it says when it does not
            refuse_open_to_others(file, file.stat().st_mode, what=name, refused=KeyRefused)


def required(settings: Settings) -> KeyEncryptionKeys:
    """Return the keys. Raises KeyMissing, with the way out, when there are none."""
    found = configured(settings)
    if found is None:
        raise KeyMissing(
            "nothing can be stored encrypted without a key-encryption key: make one with 'meterr "
            "keyring new' and set METERR_KEY_ENCRYPTION_KEY or METERR_KEY_ENCRYPTION_KEY_FILE, the "
            "same on every host"
        )
    return found


def made(settings: Settings, clock: Clock) -> KeyEncryptionKeys:
    """Return the keys, making the file first if nothing is configured: for the embedded server."""
    if settings.key_encryption_key is None and settings.key_encryption_keys_previous is None:
        create_file(key_file(settings), lambda: new_key(clock))
    return required(settings)


def new_key(clock: Clock, name: str | None = None) -> KeyEncryptionKey:
    """Return a fresh key, named for the day and four random digits unless it has a name."""
    day = as_datetime(clock.unix_ms()).strftime("%Y%m%d")
    return mint(name or f"k{day}-{os.urandom(2).hex()}", os.urandom)


def rotating(settings: Settings) -> AbstractContextManager[None]:
    """Keep other rotations of our key file away; keys from settings need no such care."""
    if settings.key_encryption_key is not None:
        return nullcontext()
    return only_one(key_file(settings))


def begin_rotation(settings: Settings, clock: Clock) -> KeyEncryptionKeys:
    """
    Return keys of which the current one is new, if they are ours to change.

    Keys that come from settings are returned as they are. A file that has previous keys is in the
    middle of a rotation, which goes on.
    """
    keys = required(settings)
    if settings.key_encryption_key is not None or keys.previous:
        return keys
    file = key_file(settings)
    replace_file(file, [new_key(clock), *keys])
    return open_file(file)


def end_rotation(settings: Settings, keys: KeyEncryptionKeys, retired: Sequence[str]) -> None:
    """Move ``retired`` keys out of the file to the one of retired keys, if the file is ours."""
    gone = [key for key in keys.previous if key.kid in retired]
    if settings.key_encryption_key is None and gone:
        keep_retired(retired_file(settings), gone)
        replace_file(key_file(settings), [key for key in keys if key not in gone])
