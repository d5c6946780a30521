"""``meterr doctor``: what is wrong here, before it hurts."""

import asyncio
import shutil
import site
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import click

from meterr import identity
from meterr.app import encryption
from meterr.app.gateway_process import journal_root, keyring
from meterr.cli.context import configuration, database_url, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, write_list
from meterr.core import migrate
from meterr.core.crypto import key_uses
from meterr.core.db import Database, Role
from meterr.core.errors import MeterrError, OperatorError
from meterr.core.http.outbound import AllowList, OutboundRefused, WrittenGuard
from meterr.core.settings import Settings
from meterr.gateway.upstream import Origin
from meterr.ledger.journal import look
from meterr.ledger.rollups import oldest_late_hour

_FREE_BYTES_MIN = 1 << 30
_CONNECT_TIMEOUT_S = 3.0
_CLOCK_DIFFERENCE_MAX_S = 2.0


class Verdict(StrEnum):
    """What a check found. Unknown is never fine."""

    FINE = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result and, where something is to be done, what."""

    check: str
    verdict: Verdict
    detail: str


@click.command("doctor")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """
    Check configuration, data directory, disk, journal, keys, port, database, rollups, clock and
    providers.

    Exit 3 when anything is wrong or could not be checked.
    """
    settings = configuration(config_file, data_dir).settings
    findings = run(_examine(settings))
    write_list(
        "meterr.findings/1",
        [asdict(finding) for finding in findings],
        ("check", "verdict", "detail"),
        choose(as_json=as_json),
    )
    bad = any(each.verdict in (Verdict.WRONG, Verdict.UNKNOWN) for each in findings)
    return Exit.FINDINGS if bad else Exit.OK


async def _examine(settings: Settings) -> list[Finding]:
    findings = [
        _data_dir(settings.data_dir),
        _journal(journal_root(settings.data_dir)),
        _pepper(settings),
        await _encryption(settings),
        _port(settings),
        _start_up_files(),
        await _schema(settings),
        await _rollups(settings),
        await _clock(settings),
    ]
    findings += [finding async for finding in _providers(settings)]
    return findings


def _data_dir(path: Path) -> Finding:
    if not path.is_dir():
        return Finding("data directory", Verdict.WARNING, f"{path} does not exist yet")
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES_MIN:
        return Finding("data directory", Verdict.WRONG, f"{free >> 20} MiB free; free some space")
    return Finding("data directory", Verdict.FINE, f"{path}, {free >> 30} GiB free")


def _journal(root: Path) -> Finding:
    """Look for what the drain had to set aside: nobody else will."""
    try:
        left = look(root)
    except OSError as error:
        reason = f"{type(error).__name__}: {error.filename or root}"
        return Finding("journal", Verdict.UNKNOWN, reason)
    records = sum(each.lines for each in left.rejected)
    if left.rejected or left.damaged:
        found = f"{len(left.rejected)} files with {records} records in {root / 'rejected'}, "
        found += f"{len(left.damaged)} files in {root / 'damaged'}; see 'meterr verify ledger'"
        return Finding("journal", Verdict.WRONG, found)
    detail = f"nothing set aside; at most {left.bytes_written_max} bytes not in the ledger yet"
    return Finding("journal", Verdict.FINE, detail)


def _pepper(settings: Settings) -> Finding:
    try:
        found = keyring(settings)
    except OperatorError as error:
        return Finding("pepper", Verdict.WRONG, str(error))
    return Finding("pepper", Verdict.FINE, f"id {found.current.id}")


async def _encryption(settings: Settings) -> Finding:
    check = "encryption keys"
    try:
        keys = encryption.configured(settings)
    except OperatorError as error:
        return Finding(check, Verdict.WRONG, str(error))
    try:
        async with Database.open(database_url(settings), Role.APP, pool_size_max=1) as db:
            uses = await key_uses(db, keys, {})
    except (MeterrError, OperatorError):
        return Finding(check, Verdict.UNKNOWN, "needs the database to compare with")
    lost = [use.key_id for use in uses if use.state in ("missing", "wrong") and use.uses]
    if lost:
        return Finding(check, Verdict.WRONG, f"in use and not here: {', '.join(lost)}")
    if keys is None:
        return Finding(check, Verdict.FINE, "none, and nothing is stored encrypted")
    return Finding(check, Verdict.FINE, f"current {keys.current.kid}")


def _port(settings: Settings) -> Finding:
    address = (settings.server.host, settings.server.port)
    name = f"{address[0]}:{address[1]}"
    with socket.socket() as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        if probe.connect_ex(address) == 0:
            return Finding("port", Verdict.WARNING, f"{name} is in use; fine if that is meterr")
    return Finding("port", Verdict.FINE, f"{name} is free")


def _start_up_files() -> Finding:
    """Look for code that runs with every Python start: how a stolen package got in elsewhere."""
    found = [
        path.name
        for folder in (*site.getsitepackages(), site.getusersitepackages())
        for path in Path(folder).glob("*.pth")
        if any(line.startswith("import ") for line in path.read_text(errors="replace").splitlines())
    ]
    if found:
        return Finding("start-up files", Verdict.WARNING, f"run code at start: {', '.join(found)}")
    return Finding("start-up files", Verdict.FINE, f"none in {sys.prefix}")


async def _schema(settings: Settings) -> Finding:
    try:
        await migrate.check(database_url(settings))
    except MeterrError as error:
        return Finding("database", Verdict.WRONG, error.detail)
    except OperatorError as error:
        return Finding("database", Verdict.UNKNOWN, str(error))
    return Finding("database", Verdict.FINE, "reachable, schema is this version's")


async def _rollups(settings: Settings) -> Finding:
    """Look for hours that could not be summed: pages stay exact and get slower."""
    try:
        await migrate.check(database_url(settings))
        async with Database.open(database_url(settings), Role.APP, pool_size_max=1) as db:
            tenants = await identity.list_tenants(db)
            late = [(await oldest_late_hour(db, each.tenant_id), each.name) for each in tenants]
    except (MeterrError, OperatorError):
        return Finding("rollups", Verdict.UNKNOWN, "needs the database and its schema")
    behind = [f"{name} since {hour:%Y-%m-%dT%H:%MZ}" for hour, name in late if hour is not None]
    if behind:
        found = f"not summed: {', '.join(behind)}; the log's rollups_stuck says why"
        return Finding("rollups", Verdict.WARNING, found)
    return Finding("rollups", Verdict.FINE, "every hour that ended long ago is summed")


async def _clock(settings: Settings) -> Finding:
    try:
        async with Database.open(database_url(settings), Role.APP, pool_size_max=1) as db:
            seconds = abs(await db.server_time_s() - time.time())
    except (MeterrError, OperatorError):
        return Finding("clock", Verdict.UNKNOWN, "needs the database to compare with")
    verdict = Verdict.FINE if seconds <= _CLOCK_DIFFERENCE_MAX_S else Verdict.WRONG
    return Finding("clock", verdict, f"{seconds:.3f} s from the database's")


async def _providers(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.upstreams:
        yield Finding("providers", Verdict.WARNING, "none is configured")
    allow = AllowList.parse(settings.outbound.allow)
    for name, upstream in settings.upstreams.items():
        for url in (upstream.openai_base_url, upstream.anthropic_base_url):
            if url is not None:
                yield await _reach(f"provider {name}", url, upstream.ca_file, allow)


async def _reach(check: str, url: str, ca_file: Path | None, allow: AllowList) -> Finding:
    try:
        origin = Origin.parse(url, ca_file=ca_file)
    except (ValueError, OSError) as error:
        return Finding(check, Verdict.WRONG, str(error))
    place = f"{origin.host}:{origin.port}"
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            addresses = await WrittenGuard(origin.destination, allow).locate()
            server_hostname = origin.host if origin.tls else None
            _, writer = await asyncio.open_connection(
                str(addresses[0]), origin.port, ssl=origin.tls, server_hostname=server_hostname
            )
    except OutboundRefused as refusal:
        return Finding(check, Verdict.WRONG, f"{place}: {refusal.reason}; see outbound.allow")
    except (OSError, TimeoutError) as error:
        return Finding(check, Verdict.WRONG, f"{place}: {type(error).__name__}")
    writer.transport.abort()  # at once: nobody waits here for the other side's goodbye
    return Finding(check, Verdict.FINE, f"{place} answers")
