"""Files with a secret of ours: read only where nobody else can, written whole or not at all."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from meterr.core.errors import OperatorError

MOUNTED_BYTES_MAX: Final = 64 * 1024
"""A secret is short; a larger file is a mistake, and must not fill the memory."""

_OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP

Refused = type[OperatorError]
"""What is raised, with a text that says why and what to do; it never quotes the content."""


def read_private(path: Path, *, what: str, bytes_max: int, refused: Refused) -> bytes:
    """
    Return the content of ``path``; ``what`` is how people call it, e.g. ``the key file``.

    Raises ``refused``: the file cannot be read, is no plain file, is open to others, belongs to
    another user than us and root, or has more than ``bytes_max`` bytes.
    """
    try:
        content, status = _read_plain(path, bytes_max)
    except OSError as error:
        raise refused(f"{path}: {what} cannot be read: {error.strerror}.") from None
    except _NotPlain:
        raise refused(f"{path}: {what} must be a plain file.") from None
    refuse_open_to_others(path, status.st_mode, what=what, refused=refused)
    if status.st_uid not in (0, os.geteuid()):
        raise refused(f"{path}: {what} belongs to another user; do not use it.")
    if len(content) > bytes_max:
        raise refused(f"{path}: this has more than {bytes_max} bytes and is not {what}.")
    return content


def read_mounted(path: Path, *, label: str, refused: Refused) -> str:
    """
    Return the text of a file that somebody else put there, without surrounding space.

    Others may read it: orchestrators mount secrets as root's, mode 0444 or 0644, and who is in the
    container is their concern. ``label`` names setting and file, at the beginning of errors.

    Raises ``refused``: the file cannot be read, is no plain file, can be written by everybody, who
    would choose our secret, has more than ``MOUNTED_BYTES_MAX`` bytes, or is no text.
    """
    try:
        content, status = _read_plain(path, MOUNTED_BYTES_MAX)
    except OSError as error:
        raise refused(f"{label}: {error.strerror}") from None
    except _NotPlain:
        raise refused(f"{label}: this is no plain file; name one that holds the secret") from None
    if status.st_mode & stat.S_IWOTH:
        raise refused(f"{label}: everybody may change this file. Run: chmod o-w {path}")
    if len(content) > MOUNTED_BYTES_MAX:
        raise refused(f"{label}: more than {MOUNTED_BYTES_MAX} bytes; this is no secret")
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise refused(f"{label}: this is no text") from None


class _NotPlain(Exception):
    """A directory, a pipe, a device."""


def _read_plain(path: Path, bytes_max: int) -> tuple[bytes, os.stat_result]:
    """Return at most one byte more than ``bytes_max``, and the status of what was read."""
    # Non-blocking, or a named pipe in the file's place would hang the start.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _NotPlain
        return os.read(descriptor, bytes_max + 1), status
    finally:
        os.close(descriptor)


def refuse_open_to_others(path: Path, mode: int, *, what: str, refused: Refused) -> None:
    """Raise ``refused`` when others may read or change a file, or its group may change it."""
    if mode & _OPEN_TO_OTHERS:
        raise refused(
            f"{path}: other users may read or change {what}. Run: chmod 0400 {path} (for a mounted "
            "secret, set its mode)."
        )


def create_private(path: Path, content: bytes) -> None:
    """Write ``content`` unless there is a file already: of two racing processes one wins."""
    draft = _draft(path, content)
    try:
        os.link(draft, path)
        _sync_directory(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


def replace_private(path: Path, content: bytes) -> None:
    """Put ``content`` in the file's place, whole or not at all."""
    draft = _draft(path, content)
    try:
        draft.replace(path)
        _sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return draft


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
