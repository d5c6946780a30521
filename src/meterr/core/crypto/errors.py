"""What can go wrong with sealed values and the keys above them."""

from typing import ClassVar

from meterr.core.errors import MeterrError, OperatorError


class Unreadable(MeterrError):
    """
    A sealed value cannot be opened.

    The one answer to everything: altered, moved, cut short, of an unknown version, or sealed under
    a key that is gone. It never says which.
    """

    code: ClassVar[str] = "sealed-value-unreadable"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Sealed value unreadable"

    def __init__(self) -> None:
        super().__init__("A value that is stored encrypted cannot be read.")


class KeyRefused(OperatorError):
    """A key-encryption key cannot be used; the message says why and what to do, never quotes it."""


class KeyMissing(OperatorError):
    """What is asked for needs a key-encryption key that is not configured here."""


class KeyRetired(OperatorError):
    """The current key-encryption key was retired from this database: nothing new may use it."""
