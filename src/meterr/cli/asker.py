"""Who asks, and why: the options of commands that keep both."""

import os
import pwd
from collections.abc import Callable
from typing import Any, TypeVar

import click

from meterr.identity.rotation import Asker

_Command = TypeVar("_Command", bound=Callable[..., Any])
_AUTHOR = "operator"


def with_author(command: _Command) -> _Command:
    """Add ``--author``, by default the login that runs the command."""
    return click.option("--author", default=_login, help="Who asks [default: your login].")(command)


def with_asker(command: _Command) -> _Command:
    """Add ``--reason`` and ``--author``."""
    option = click.option("--reason", required=True, help="Why; kept with what was done.")
    return option(with_author(command))


def operator(author: str, reason: str) -> Asker:
    """Return an operator, who may hand on everything."""
    return Asker(author=author, reason=reason)


def _login() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"{_AUTHOR} {os.geteuid()}"
