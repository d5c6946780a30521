"""The key-encryption keys in force: one that wraps, and any number that may still unwrap."""

from collections.abc import Callable, Iterator, Sequence

from pydantic import SecretStr

from meterr.core.crypto.errors import KeyMissing, KeyRefused
from meterr.core.crypto.key_text import KeyEncryptionKey, parse
from meterr.core.crypto.unshown import Unshown


class KeyEncryptionKeys(Unshown):
    """
    One current key and any number of previous ones, by name.

    ``again`` reads them anew from where they came from, for sources that may change while we run
    (the file of an embedded installation); without it ``reread`` returns the same keys.
    """

    __slots__ = ("_again", "current", "previous")

    def __init__(
        self,
        current: KeyEncryptionKey,
        previous: Sequence[KeyEncryptionKey] = (),
        *,
        again: "Callable[[], KeyEncryptionKeys] | None" = None,
    ) -> None:
        _refuse_doubles([current, *previous])
        self.current = current
        self.previous = tuple(previous)
        self._again = again

    @classmethod
    def from_secrets(
        cls, current: SecretStr, previous: SecretStr | None = None
    ) -> "KeyEncryptionKeys":
        """Build them from settings; ``previous`` holds keys apart by commas or white space."""
        setting = "key_encryption_keys_previous"
        texts = [] if previous is None else split(previous.get_secret_value())
        return cls(
            parse(current.get_secret_value(), origin="key_encryption_key"),
            [parse(text, origin=setting) for text in texts],
        )

    def named(self, kid: str) -> KeyEncryptionKey:
        """Return the key called ``kid``. Raises KeyMissing."""
        for key in self:
            if key.kid == kid:
                return key
        raise KeyMissing(
            f"The key-encryption key {kid!r} is needed and not configured here: add it to "
            "METERR_KEY_ENCRYPTION_KEYS_PREVIOUS. 'meterr keyring status' shows what uses it."
        )

    def reread(self) -> "KeyEncryptionKeys":
        """Return the keys as their source has them now."""
        return self if self._again is None else self._again()

    def __iter__(self) -> Iterator[KeyEncryptionKey]:
        yield self.current
        yield from self.previous

    def _shown(self) -> str:
        return f"current={self.current!r} previous={list(self.previous)!r}"


def split(text: str) -> list[str]:
    """Return the key texts in ``text``, which commas or white space keep apart."""
    return text.replace(",", " ").split()


def _refuse_doubles(keys: Sequence[KeyEncryptionKey]) -> None:
    kids = [key.kid for key in keys]
    doubled = sorted({kid for kid in kids if kids.count(kid) > 1})
    if doubled:
        raise KeyRefused(
            f"The name {doubled[0]!r} stands for two key-encryption keys: each needs its own name, "
            "and the current key is not repeated among the previous ones."
        )
    if len({key.verifier for key in keys}) < len(keys):
        raise KeyRefused(
            "One key-encryption key is configured under two names: changing its name changes "
            "nothing. Make a new one with: meterr keyring new"
        )
