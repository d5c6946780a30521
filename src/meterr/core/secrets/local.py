"""Secrets of this host: variables (also those that Doppler injects) and files."""

import os
import stat
from collections.abc import Mapping
from typing import Final

from meterr.core.secrets.backend import Document, SecretRefused

FILE_BYTES_MAX: Final = 64 * 1024
"""A secret is short; a larger file is a mistake, and must not fill the memory."""


class EnvBackend:
    """Variables of the environment that the process was started with."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, place: str) -> Document:
        """Return the variable called ``place``."""
        text = self._environ.get(place)
        if text is None:
            raise SecretRefused(f"env:{place}: this variable is not set")
        return Document(text)


class FileBackend:
    """Files that somebody else puts there: an orchestrator, an agent, a person."""

    def read(self, place: str) -> Document:
        """Return the content of the file at ``place`` without surrounding space."""
        try:
            return Document(_content(place).decode("utf-8").strip())
        except OSError as error:
            raise SecretRefused(f"file:{place}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SecretRefused(f"file:{place}: this is no text") from None


def _content(path: str) -> bytes:
    # Non-blocking, or a named pipe in the file's place would hang the start.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SecretRefused(f"file:{path}: this is no plain file")
        content = os.read(descriptor, FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > FILE_BYTES_MAX:
        raise SecretRefused(f"file:{path}: more than {FILE_BYTES_MAX} bytes; this is no secret")
    return content
