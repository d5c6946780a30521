"""``meterr up``: everything on this machine, from an empty folder to a working key."""

import asyncio
import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from meterr import identity
from meterr.app import encryption, own_address, upstreams
from meterr.app.deployment import Deployment, Plan, database_url_file
from meterr.app.gateway_process import PEPPER_FILE, keyring
from meterr.app.supervisor import listen
from meterr.cli.context import (
    DEFAULT_TENANT,
    checked_dsn,
    checked_reader,
    configuration,
    with_settings,
)
from meterr.cli.output import note
from meterr.cli.snippets import base_url, snippets
from meterr.core import migrate
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError
from meterr.core.db import Database, Role
from meterr.core.events import Reporter
from meterr.core.ids import IdFactory
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.principal import MODEL_SCOPES
from meterr.core.settings import Settings
from meterr.core.telemetry import Level, Telemetry
from meterr.query import walls

SIMULATOR_PORT = 8089
SIMULATED_QUESTION_MODEL = "gpt-5-mini"
_CONNECTIONS = 90  # the parent, commands, and people who look
_CONNECTIONS_OF_GATEWAY = 11
_SIMULATED = {
    "simulator-openai": ("openai", "openai_base_url", ("gpt-*", "o1*", "o3*", "o4*", "text-*")),
    "simulator-anthropic": ("anthropic", "anthropic_base_url", ("claude-*",)),
    "simulator-moonshot": ("moonshotai", "openai_base_url", ("kimi-*", "moonshot-*")),
}


@click.command("up")
@with_settings
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one [default: 8080].")
@click.option("--workers", type=int, help="Gateway processes, 1 to 64 [default: 1].")
@click.option(
    "--simulator-port",
    type=int,
    default=SIMULATOR_PORT,
    show_default=True,
    help="Port of the simulated provider; 0 takes a free one.",
)
def command(
    config_file: Path | None,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    simulator_port: int,
) -> None:
    """
    Start everything on this machine: PostgreSQL, gateway, and a simulated provider.

    The simulated provider comes only when no provider is configured. The first start makes a
    tenant and a key, and prints the key once.
    """
    flags: dict[str, Any] = {
        "server__host": host,
        "server__port": port,
        "server__workers": workers,
    }
    reporter = Reporter()
    settings = configuration(config_file, data_dir, reporter=reporter, **flags).settings
    gateway = listen(settings.server.host, settings.server.port)
    simulator = None
    if not settings.upstreams:
        simulator = listen("127.0.0.1", simulator_port, "--simulator-port")
        flags |= _simulated_upstreams(simulator.getsockname()[1]) | _simulated_model(settings)
        settings = configuration(config_file, data_dir, reporter=reporter, **flags).settings
    upstreams.check(settings.upstreams, settings.outbound)
    encryption.configured(settings)  # refused here, before anything starts
    own_address.check(settings)
    checked_reader(settings)
    options = "" if data_dir is None else f"--data-dir {shlex.quote(str(data_dir))}"
    _make_writable(settings.data_dir)
    port = gateway.getsockname()[1]
    with (
        _database(settings) as (dsn, embedded),
        _found_by_commands(settings, port),
        contextlib.suppress(KeyboardInterrupt),
    ):
        plan = Plan(settings, dsn, gateway, embedded, simulator, reporter)
        asyncio.run(_run(plan, options))
    note("Stopped. Everything that was recorded is in the database or the journal.")


async def _run(plan: Plan, options: str) -> None:
    settings = plan.settings
    note("Bringing the database's schema up to date ...")
    await migrate.migrate(plan.dsn)
    peppers = _keyring(settings)
    if plan.embedded is not None:
        await walls.harden(plan.embedded.database_admin_dsn, apply=True)
        encryption.made(settings, SystemClock())
    telemetry = Telemetry(SystemClock(), level=Level(settings.log.level))

    async def ready(port: int) -> None:
        # Only now: a key that was made before a failed start would have been seen by nobody.
        secret = await _first_key(peppers, plan.dsn)
        url = base_url(settings.server.host, port)
        simulated, speaks = plan.simulator is not None, settings.query.model is not None
        note(snippets(url, secret, simulated=simulated, speaks=speaks, options=options))

    await Deployment(plan, telemetry).run(ready)


def _make_writable(data_dir: Path) -> None:
    """Make the data directory, or say in one line why it cannot be used."""
    try:
        data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        if data_dir.stat().st_uid not in (0, os.geteuid()):
            raise ConfigurationError(
                f"the data directory {data_dir} belongs to another user. Choose another with "
                "--data-dir."
            )
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to the data directory {data_dir}: {error.strerror}. Choose another "
            "with --data-dir."
        ) from error


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    """Yield the configured database, or an embedded one that lives as long as the block."""
    if settings.database_url is not None:
        yield checked_dsn(settings.database_url, settings.database_tls), None
        return
    note("Starting PostgreSQL ...")
    left = database_url_file(settings.data_dir)
    room = {
        "max_connections": str(_CONNECTIONS + _CONNECTIONS_OF_GATEWAY * settings.server.workers)
    }
    with EmbeddedPostgres(
        settings.data_dir, settings.postgres_bin, server_settings=room, say=note
    ) as embedded:
        left.unlink(missing_ok=True)
        descriptor = os.open(left, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(embedded.dsn)
        try:
            yield embedded.dsn, embedded
        finally:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _found_by_commands(settings: Settings, port: int) -> Iterator[None]:
    """Leave word for ``meterr ask`` where this gateway is asked for its model, for the block."""
    left = own_address.running_file(settings.data_dir)
    left.unlink(missing_ok=True)  # of one that was killed
    if settings.query.model is None:
        yield
        return
    word = own_address.Running(own_address.own_address(settings, port), settings.query.model)
    left.write_bytes(msgspec.json.encode(word))
    try:
        yield
    finally:
        left.unlink(missing_ok=True)


def _keyring(settings: Settings) -> identity.Keyring:
    if settings.key_pepper is not None:
        return keyring(settings)
    return identity.Keyring.open(settings.data_dir / PEPPER_FILE, create_missing=True)


async def _first_key(keyring: identity.Keyring, dsn: str) -> str:
    """Return the secret of a new key if there is no tenant yet, else nothing."""
    clock = SystemClock()
    ids = IdFactory(clock)
    async with Database.open(dsn, Role.APP, pool_size_max=1) as db:
        if await identity.list_tenants(db):
            return ""
        tenant = await identity.create_tenant(db, ids, DEFAULT_TENANT, existing_ok=True)
        created = await identity.create_key(
            db,
            keyring,
            ids,
            clock,
            tenant.tenant_id,
            name="first key",
            scopes=MODEL_SCOPES,
        )
    return created.secret.presented.decode()


def _simulated_model(settings: Settings) -> dict[str, Any]:
    """Let the simulator answer questions in plain language, unless something else was chosen."""
    if settings.query.model is not None:
        return {}
    try:
        own_address.own_address(settings)
    except ConfigurationError:  # it listens where its own key would travel in clear
        return {}
    return {"query__model": SIMULATED_QUESTION_MODEL}


def _simulated_upstreams(port: int) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for name, (provider, dialect, models) in _SIMULATED.items():
        path = "/v1" if dialect == "openai_base_url" else ""
        flags[f"upstreams__{name}__provider"] = provider
        flags[f"upstreams__{name}__{dialect}"] = f"http://127.0.0.1:{port}{path}"
        flags[f"upstreams__{name}__models"] = models
        flags[f"upstreams__{name}__credential"] = "simulated"
    flags["upstreams__simulator-moonshot__anthropic_base_url"] = (
        f"http://127.0.0.1:{port}/anthropic"
    )
    return flags
