"""Where encryption of backups comes from."""

from collections.abc import Sequence
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Protocol

from meterr.core.backup.errors import BackupRefused

_LIBRARY = "pyrage"


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int = ..., /) -> bytes: ...


class Writer(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object: ...

    def flush(self) -> object: ...


class Cipher(Protocol):
    """The age format: public keys encrypt, identities decrypt, both as text."""

    def encrypt(self, reader: Reader, writer: Writer, recipients: Sequence[str]) -> None:
        """Write what is read, encrypted to all ``recipients``. Raises BackupRefused."""

    def decrypt(self, reader: Reader, writer: Writer, identities: Sequence[str]) -> None:
        """Write what was encrypted, to its end. Raises BackupFailed when it is not whole."""


def age() -> Cipher:
    """
    Return the age format.

    Loaded by name, here and only here: its library is an extra and no other command may miss it.
    Raises BackupRefused when it is missing.
    """
    if find_spec(_LIBRARY) is None:
        raise BackupRefused("backups need the extra 'backup'. Run: pip install 'meterr[backup]'")
    cipher: Cipher = resolve_name("meterr.core.backup.age_format:Age")()
    return cipher
