"""The port to wherever secrets are kept, and what can go wrong there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from meterr.core.errors import OperatorError, Unavailable

_RETRY_AFTER_S = 5


class SecretRefused(OperatorError):
    """There is no such secret, or we may not have it. Waiting does not help."""


class SecretUnavailable(Unavailable):
    """The place where a secret is kept does not answer."""

    code: ClassVar[str] = "secret-unavailable"
    title: ClassVar[str] = "Secret unavailable"

    def __init__(self, detail: str, *, private: str = "") -> None:
        super().__init__(detail, private=private, retry_after_s=_RETRY_AFTER_S)


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept at one place: one text, or several fields. ``version`` is the place's own."""

    content: str | Mapping[str, object] = field(repr=False)
    version: str = ""


class Backend(Protocol):
    """One kind of place."""

    def read(self, place: str) -> Document:
        """
        Read what is at ``place``; blocks for at most the timeout that the backend was given.

        Raises:
            SecretRefused: it does not exist, is deleted, or is not for us.
            SecretUnavailable: no answer, or one that says to come back later.
        """
        ...
