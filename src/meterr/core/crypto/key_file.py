"""The key file of an embedded installation: one key a line, the current one first, mode 0400."""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meterr.core.crypto.errors import KeyRefused
from meterr.core.crypto.key_text import KeyEncryptionKey, parse
from meterr.core.crypto.keys import KeyEncryptionKeys, split

FILE_BYTES_MAX: Final = 64 * 1024
_OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP


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
    if path.exists():
        return
    draft = _draft(path, [make()])
    try:
        os.link(draft, path)
        _sync_directory(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


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
    draft = _draft(path, keys)
    try:
        draft.replace(path)
        _sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def refuse_open_to_others(path: Path, mode: int, *, what: str) -> None:
    """Raise KeyRefused when others may read or change a file, or its group may change it."""
    if mode & _OPEN_TO_OTHERS:
        raise KeyRefused(
            f"{path}: other users may read or change {what}. Run: chmod 0400 {path} (for a mounted "
            "secret, set its mode)."
        )


def _read(path: Path) -> str:
    try:
        # Non-blocking, or a named pipe in the file's place would hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KeyRefused(f"{path}: the key file cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyRefused(f"{path}: the key file must be a plain file.")
        refuse_open_to_others(path, status.st_mode, what="the key file")
        if status.st_uid not in (0, os.geteuid()):
            raise KeyRefused(f"{path}: the key file belongs to another user; do not use it.")
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX or not content.isascii():
        raise KeyRefused(f"{path}: this is not a file of key-encryption keys.")
    return content.decode("ascii")


def _draft(path: Path, keys: Sequence[KeyEncryptionKey]) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("".join(f"{key.text()}\n" for key in keys))
        file.flush()
        os.fsync(descriptor)
    return draft


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
