"""``meterr key leaked``: keys of ours in a text that others may have read."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from meterr import identity
from meterr.app.gateway_process import keyring
from meterr.cli.context import configuration, database_url, open_database, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.core.db import Database, Role
from meterr.core.settings import Settings
from meterr.identity.leaks import Fate, Leak, revoke_leaked

_COLUMNS = ("key", "fate", "tenant", "name", "key_id", "occurrences", "made")
_CHUNK_BYTES = 1024 * 1024


@click.command("leaked")
@with_settings
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Revoke nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def leaked(
    config_file: Path | None, data_dir: Path | None, file: str, dry_run: bool, as_json: bool
) -> int:
    """
    Revoke every key of ours that is in FILE ('-': standard input), and list them.

    Keys that one of them has made end, too ('made' says how many). Keys are found by format and
    checksum in plain text; what was compressed or encoded is not seen.
    Exits 3 when the text holds a key of this database, also one that was revoked before.
    """
    settings = configuration(config_file, data_dir).settings
    found, tenants = run(_leaked(settings, _chunks(file), dry_run=dry_run))
    items = [
        {
            "key": leak.shown,
            "fate": leak.fate.value,
            "tenant": tenants.get(leak.tenant_id),
            "name": leak.name or None,
            "key_id": leak.key_id or None,
            "occurrences": leak.occurrences,
            "made": leak.made,
        }
        for leak in found
    ]
    write_list("meterr.leaks/1", items, _COLUMNS, choose(as_json=as_json))
    ours = sum(leak.fate is not Fate.UNKNOWN for leak in found)
    note(f"{ours} keys of this database in the text, {len(found) - ours} others of our format.")
    return Exit.FINDINGS if ours else Exit.OK


def _chunks(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from iter(lambda: sys.stdin.buffer.read(_CHUNK_BYTES), b"")
        return
    with Path(file).open("rb") as text:
        yield from iter(lambda: text.read(_CHUNK_BYTES), b"")


async def _leaked(
    settings: Settings, chunks: Iterator[bytes], *, dry_run: bool
) -> tuple[list[Leak], dict[str, str]]:
    async with (
        Database.open(database_url(settings), Role.AUTH, pool_size_max=1) as db_auth,
        open_database(settings) as db,
    ):
        found = await revoke_leaked(db_auth, db, keyring(settings), chunks, dry_run=dry_run)
        tenants = {each.tenant_id: each.name for each in await identity.list_tenants(db)}
    return found, tenants
