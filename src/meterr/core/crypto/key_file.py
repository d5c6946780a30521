"""The key file of an embedded installation: one key a line, the current one first, mode 0400."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meterr.core.crypto.errors import KeyRefused
from meterr.core.crypto.key_text import KeyEncryptionKey, parse
from meterr.core.crypto.keys import KeyEncryptionKeys, split
from meterr.core.private_file import create_private, read_private, replace_private

FILE_BYTES_MAX: Final = 64 * 1024


def open_file(path: Path) -> KeyEncryptionKeys:
    """
    Read the keys in the file at ``path``.

    Raises:
        KeyRefused: the file is missing, open to others, another user's, not a plain file, or one of
            its keys cannot be used.
    """
    keys = [parse(text, origin=str(path)) for text in split(_read(path))]
    if not keys:
        raise KeyRefused(f"{path}: no key-encryption key in it. Restore it from a backup.")
    return KeyEncryptionKeys(keys[0], keys[1:], again=lambda: open_file(path))


def create_file(path: Path, make: Callable[[], KeyEncryptionKey]) -> None:
    """Write a file with one fresh key unless there is one: of two racing processes one wins."""
    if not path.exists():
        create_private(path, _lines([make()]))


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Keep every other rotation of the same file away; raise KeyRefused when one is under way."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeyRefused(f"{path}: another rotation is under way.") from None
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, keys: Sequence[KeyEncryptionKey]) -> None:
    """Put ``keys`` in the file's place, whole or not at all; the first one is the current one."""
    replace_private(path, _lines(keys))


def keep_retired(path: Path, retired: Sequence[KeyEncryptionKey]) -> None:
    """Add ``retired`` to the file at ``path``, mode 0400 like the other, unless they are there."""
    kept = list(open_file(path)) if path.exists() else []
    names = {key.kid for key in kept}
    new = [key for key in retired if key.kid not in names]
    if new:
        replace_file(path, [*kept, *new])


def _read(path: Path) -> str:
    content = read_private(path, what="the key file", bytes_max=FILE_BYTES_MAX, refused=KeyRefused)
    if not content.isascii():
        raise KeyRefused(f"{path}: this is not a file of key-encryption keys.")
    return content.decode("ascii")


def _lines(keys: Sequence[KeyEncryptionKey]) -> bytes:
    return "".join(f"{key.text()}\n" for key in keys).encode("ascii")
