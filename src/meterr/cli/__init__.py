"""The command line: parse, call, render, exit. Commands are loaded when they are named."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

from meterr import __version__
from meterr.cli.exits import Exit
from meterr.cli.failures import told
from meterr.core.nearest import nearest

_COMMANDS = {
    "up": ("meterr.cli.up", "Start everything on this machine, with its own database."),
    "serve": ("meterr.cli.serve", "Start the gateway on a PostgreSQL of yours."),
    "doctor": ("meterr.cli.doctor", "Check configuration, database, disk, clock and providers."),
    "config": ("meterr.cli.config", "Show the settings in force and where they come from."),
    "db": ("meterr.cli.db", "Migrate, back up and restore the database."),
    "tenant": ("meterr.cli.tenant", "Create, change and list tenants."),
    "user": ("meterr.cli.user", "Invite, list and disable people; set their roles."),
    "key": ("meterr.cli.key", "Create, list, rotate and revoke API keys."),
    "session": ("meterr.cli.session", "End sessions; rotate the keys of access tokens."),
    "budget": ("meterr.cli.budget", "Set, list and end budgets in US dollars."),
    "limit": ("meterr.cli.limit", "Limit requests, tokens and concurrency."),
    "upstream": ("meterr.cli.upstream", "Store credentials of providers, encrypted."),
    "keyring": ("meterr.cli.keyring", "Make, count and rotate encryption keys."),
    "price": ("meterr.cli.price", "Set and list your own prices."),
    "usage": ("meterr.cli.usage", "Sum calls, tokens and cost by model, key, day and more."),
    "logs": ("meterr.cli.logs", "List calls, and follow them as they come."),
    "events": ("meterr.cli.events", "List security events, and follow them as they come."),
    "ask": ("meterr.cli.ask", "Ask a tenant's usage or database, in plain language or SQL."),
    "source": ("meterr.cli.source", "Let a tenant ask its own PostgreSQL."),
    "query": ("meterr.cli.query", "Set up the walls between tenants that ask; save questions."),
    "ledger": ("meterr.cli.ledger", "Write closed days to files for DuckDB, Spark and others."),
    "verify": ("meterr.cli.verify", "Recompute the ledger and compare."),
    "reconcile": ("meterr.cli.reconcile", "Compare a provider's own bill with the ledger."),
    "simulator": ("meterr.cli.simulator", "Run a provider that answers offline."),
    "help": ("meterr.cli.topics", "Explain exit codes and environment variables."),
}


class _ReaderGoneError(Exception):
    """Nobody reads standard output any more. click would end with 1 for the error that it was."""


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGoneError from None


class _Commands(click.Group):
    """Load a command's module when it is named, so that ``--version`` and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = resolve_name(f"{_COMMANDS[cmd_name][0]}:command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{nearest(args[0], list(_COMMANDS))}.")
        return super().resolve_command(ctx, args)

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        with _heard():  # --help writes here
            return super().make_context(*given, **named)

    def invoke(self, ctx: click.Context) -> Any:
        with _heard():
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="meterr")
def cli() -> None:
    """meterr: the LLM gateway you can audit."""


def main() -> None:
    """Run the command line; every failure becomes one clear line and a documented exit status."""
    _open_standard_streams()
    try:
        status = cli.main(prog_name="meterr", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else Exit.OK)
    except click.exceptions.Abort:
        sys.exit(Exit.INTERRUPTED)
    except _ReaderGoneError:  # it had enough; that is not a failure
        _leave_output()
        sys.exit(Exit.OK)
    # The last boundary: an error of ours is told by its kind, never by a traceback with values.
    except Exception as error:  # noqa: BLE001
        status = told(error)
        if isinstance(error, OSError):
            _leave_output()
        sys.exit(status)


def _open_standard_streams() -> None:
    """Open those that are closed: else the next socket would be the standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # open to the end


def _leave_output() -> None:
    """Let what could not be written go nowhere: Python tries again at its end, and complains."""
    with suppress(OSError, ValueError):  # no file, in a test
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
