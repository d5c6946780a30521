"""Secrets of this host: variables (also those that Doppler injects) and files."""

from collections.abc import Mapping
from pathlib import Path

from meterr.core.private_file import read_mounted
from meterr.core.secrets.backend import Document, SecretRefused


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
        return Document(read_mounted(Path(place), label=f"file:{place}", refused=SecretRefused))
