"""``meterr upstream``: credentials of providers, stored encrypted; written, never read back."""

import getpass
import sys
from pathlib import Path

import click
from pydantic import SecretStr

from meterr.app import encryption
from meterr.cli.context import configuration, open_database, run, with_settings
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import iso
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys
from meterr.core.errors import Invalid
from meterr.core.nearest import nearest
from meterr.core.settings import Settings
from meterr.identity import provider_credentials
from meterr.identity.provider_credentials import ProviderCredential

_COLUMNS = ("upstream", "credential", "created_at", "created_by", "version")
_READ_CHARS_MAX = 16 * 1024


@click.group("upstream")
def command() -> None:
    """Store credentials of providers."""


@command.group("credential")
def credential() -> None:
    """Store, list and remove credentials of providers; nothing shows one again."""


@credential.command("set")
@with_settings
@click.argument("name")
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to read it from [default: standard input].",
)
@click.option("--author", default=getpass.getuser, help="Who [default: the login name].")
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    source: Path | None,
    author: str,
) -> None:
    """
    Store the credential of the upstream NAME, read from standard input or a file.

    It wins over a configured one, in every gateway within 2 s.
    """
    settings = configuration(config_file, data_dir).settings
    if name not in settings.upstreams:
        known = nearest(name, list(settings.upstreams))
        note(f"No upstream called {name!r} is configured here{known}; stored all the same.")
    secret = _read(source)
    stored = run(_set(settings, name, secret, author))
    note(f"Stored the credential of {stored.upstream}, {_shown(stored)}.")


@credential.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List stored credentials by their last four characters."""
    settings = configuration(config_file, data_dir).settings
    items = [
        {
            "upstream": each.upstream,
            "credential": _shown(each),
            "created_at": iso(each.created_at_ms),
            "created_by": each.created_by,
            "version": each.version,
        }
        for each in run(_list(settings))
    ]
    write_list("meterr.credentials/1", items, _COLUMNS, choose(as_json=as_json))


@credential.command("remove")
@with_settings
@click.argument("name")
def remove(config_file: Path | None, data_dir: Path | None, name: str) -> None:
    """Forget the stored credential of NAME; a configured one counts again within 2 s."""
    settings = configuration(config_file, data_dir).settings
    run(_remove(settings, name))
    note(f"The stored credential of {name} is gone.")


def _read(source: Path | None) -> SecretStr:
    if source is not None:
        with source.open(encoding="utf-8", errors="replace") as file:
            return SecretStr(file.read(_READ_CHARS_MAX))
    if sys.stdin.isatty():
        raise Invalid("Give the credential on standard input or with --file.", param="secret")
    return SecretStr(sys.stdin.read(_READ_CHARS_MAX))


async def _set(settings: Settings, name: str, secret: SecretStr, author: str) -> ProviderCredential:
    data_keys = DataKeys(encryption.required(settings), SystemClock())
    async with open_database(settings) as db:
        return await provider_credentials.set_credential(
            db, data_keys, name, secret, created_by=author
        )


async def _list(settings: Settings) -> list[ProviderCredential]:
    async with open_database(settings) as db:
        return await provider_credentials.list_credentials(db)


async def _remove(settings: Settings, name: str) -> None:
    async with open_database(settings) as db:
        await provider_credentials.remove_credential(db, name)


def _shown(credential: ProviderCredential) -> str:
    return f"...{credential.last4}"
