"""Errors for people and for scripts: one line on standard error, JSON when JSON was asked for."""

import json
import sys

import click

from meterr.cli.exits import Exit
from meterr.cli.output import cleaned
from meterr.core.errors import Invalid, MeterrError, OperatorError


def told(error: Exception) -> Exit:
    """Tell the error on standard error and return the exit status for it."""
    match error:
        case click.ClickException():
            return _misused(error)
        case Invalid():
            return _tell(error.code, error.detail, Exit.USAGE)
        case MeterrError():
            return _tell(error.code, error.detail, Exit.FAILED)
        case OperatorError():
            return _tell("operator", str(error), Exit.USAGE)
        case ImportError():
            missing = error.name or error
            return _tell("internal", f"incomplete installation: no {missing}", Exit.FAILED)
        case OSError():
            return _tell("system", f"{error.strerror}: {error.filename or ''}", Exit.FAILED)
        case _:
            return _tell("internal", f"internal error: {type(error).__name__}", Exit.FAILED)


def _misused(error: click.ClickException) -> Exit:
    if _wants_json():
        return _tell("usage", error.format_message(), Exit(error.exit_code))
    error.show()
    return Exit(error.exit_code)


def _wants_json() -> bool:
    return "--json" in sys.argv


def _tell(code: str, message: str, status: Exit) -> Exit:
    if _wants_json():
        click.echo(json.dumps({"error": {"code": code, "message": message}}), err=True)
    else:
        click.echo(f"meterr: {cleaned(message)}", err=True)  # a server of others may have said it
    return status
