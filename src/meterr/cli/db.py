"""``meterr db``: the schema, and backups."""

import stat
from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict

from meterr.app.keys_at_hand import keys_at_hand
from meterr.cli.administrator import administrator
from meterr.cli.asker import with_author
from meterr.cli.context import checked_dsn, configuration, database_url, run, with_settings
from meterr.cli.output import note
from meterr.core import backup as backups
from meterr.core import migrate as migration
from meterr.core.backup import BackupRefused, Settled, Strike
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.settings import Settings

_OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP
_IDENTITY_CHARS_MAX = 64 * 1024


@click.group("db")
def command() -> None:
    """Migrate, back up and restore the database."""


@command.command("migrate")
@with_settings
def migrate(config_file: Path | None, data_dir: Path | None) -> None:
    """
    Apply the migrations that are missing; safe to run from many hosts at once.

    The login in METERR_DATABASE_URL must be able to create roles, for the first time at least.
    """
    settings = configuration(config_file, data_dir).settings
    applied = run(migration.migrate(database_url(settings)))
    note(f"Applied {', '.join(applied)}." if applied else "The schema is up to date.")


@command.command("backup")
@with_settings
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    required=True,
    metavar="age1...",
    help="Public key that may read the backup; can be given more than once.",
)
def backup(
    config_file: Path | None, data_dir: Path | None, file: Path, recipients: tuple[str, ...]
) -> None:
    """
    Write the database to FILE, encrypted with age; meterr may go on running.

    The pepper and the key-encryption keys are not in it: keep them apart. Needs the extra 'backup',
    and METERR_DATABASE_ADMIN_URL for a database of yours.
    """
    settings = configuration(config_file, data_dir).settings
    cipher = backups.age()
    with administrator(settings, running_ok=True) as dsn:
        needs = backups.backup(dsn, file, recipients, cipher, bin_dir=settings.postgres_bin)
    note(
        f"Wrote {file}, {file.stat().st_size} bytes. Keys are not in it; keep apart from it, and as"
        f" long, what it needs: {str(needs) or 'none by now'}."
    )


@command.command("restore")
@with_settings
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--identity",
    "identity_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File with the age identity (AGE-SECRET-KEY-1...), readable by its owner alone.",
)
@click.option("--replace", is_flag=True, help="Replace everything in a database that is not empty.")
@click.option(
    "--revoke-all", is_flag=True, help="End every key that comes back; codes for new ones follow."
)
@click.option(
    "--without-keys",
    is_flag=True,
    help="Also when key-encryption keys or peppers that it needs are not here.",
)
@with_author
def restore(
    config_file: Path | None,
    data_dir: Path | None,
    file: Path,
    identity_file: Path,
    replace: bool,
    revoke_all: bool,
    without_keys: bool,
    author: str,
) -> None:
    """
    Restore the database from FILE, all of it or, if anything is wrong, nothing.

    Stop meterr first. The backup is decrypted to its end and checked before anything is touched.

    Everybody has to sign in again, and invitations, resets and codes are over. Keys count as they
    did then. Those that this database knows to be revoked since stay so; an empty one knows of
    none: use --revoke-all if any key was revoked for cause.

    The key-encryption keys and peppers of the backup's time have to be configured here.
    """
    settings = configuration(config_file, data_dir).settings
    cipher = backups.age()
    identities = _identities(identity_file)
    keys = None if without_keys else keys_at_hand(settings)
    strike = Strike(IdFactory(SystemClock()).new(), author) if revoke_all else None
    with administrator(settings, running_ok=False) as dsn:
        done = backups.restore(
            dsn,
            file,
            identities,
            cipher,
            login=_login(settings),
            replace=replace,
            strike=strike,
            keys=keys,
            bin_dir=settings.postgres_bin,
        )
    note(f"Restored {file}." + (" What was there before is gone." if done.replaced else ""))
    _tell(done.settled, strike)
    if done.missing:
        note(
            f"It is older than this meterr and lacks {', '.join(done.missing)}: 'meterr db migrate'"
        )


def _tell(settled: Settled, strike: Strike | None) -> None:
    note(
        f"Over: {settled.sessions} sessions, {settled.links} invitations and resets,"
        f" {settled.codes} key codes."
    )
    if settled.knew:
        note(f"{settled.stay_revoked} keys of the backup were revoked here since and stay so.")
    if strike is not None:
        note(
            f"{settled.struck} keys have ended: emergency {strike.emergency_id}. For new ones, for"
            f" each tenant: 'meterr key codes --emergency {strike.emergency_id} --reason restored'"
        )
    note(f"{settled.keys} keys of {settled.tenants} tenants count now.")
    if settled.keys and not settled.knew:
        note(
            "Keys that were revoked after the backup are among them, if there were any, and people"
            " who left have their roles: 'meterr key rotate-all --everything' ends all keys."
        )


def _login(settings: Settings) -> str:
    if settings.database_url is None:
        return EmbeddedPostgres.LOGIN
    return str(
        conninfo_to_dict(checked_dsn(settings.database_url, settings.database_tls)).get("user")
        or ""
    )


def _identities(file: Path) -> list[str]:
    if file.stat().st_mode & _OPEN_TO_OTHERS:
        raise BackupRefused(f"{file}: other users may read the identity. Run: chmod 0400 {file}")
    with file.open(encoding="utf-8", errors="replace") as lines:
        text = lines.read(_IDENTITY_CHARS_MAX)
    found = [line.strip() for line in text.splitlines()]
    identities = [line for line in found if line and not line.startswith("#")]
    if not identities:
        raise BackupRefused(f"{file}: no age identity in it (AGE-SECRET-KEY-1...)")
    return identities
