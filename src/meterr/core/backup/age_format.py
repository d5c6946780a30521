"""The age format (age-encryption.org/v1) by the library ``pyrage``: X25519 recipients only."""

from collections.abc import Sequence

import pyrage

from meterr.core.backup.errors import BackupFailed, BackupRefused
from meterr.core.backup.library import Reader, Writer


class Age:
    """Encrypt to public keys, decrypt with identities; a stream, never held in memory whole."""

    def encrypt(self, reader: Reader, writer: Writer, recipients: Sequence[str]) -> None:
        """Write what is read, encrypted to all ``recipients``. Raises BackupRefused."""
        try:
            public = [pyrage.x25519.Recipient.from_str(each.strip()) for each in recipients]
        except pyrage.RecipientError:
            raise BackupRefused(
                "a recipient is an age public key (age1...). Make a pair with: age-keygen"
            ) from None
        pyrage.encrypt_io(reader, writer, public)

    def decrypt(self, reader: Reader, writer: Writer, identities: Sequence[str]) -> None:
        """Write what was encrypted, to its end. Raises BackupFailed when it is not whole."""
        try:
            secret = [pyrage.x25519.Identity.from_str(each) for each in identities]
        except pyrage.IdentityError:
            raise BackupRefused(
                "the identity file holds something that is no age identity (AGE-SECRET-KEY-1...)"
            ) from None
        try:
            pyrage.decrypt_io(reader, writer, secret)
        except (pyrage.DecryptError, OSError) as error:
            raise BackupFailed(
                "The backup cannot be decrypted to its end: it is damaged, cut short, or not for "
                "this identity.",
                private=repr(error),
            ) from None
