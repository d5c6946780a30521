"""``meterr up``: everything on this machine, from an empty folder to a working key."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from meterr import identity
from meterr.app.deployment import Deployment, Plan, database_url_file
from meterr.app.gateway_process import PEPPER_FILE
from meterr.cli.context import DEFAULT_TENANT, configuration, with_settings
from meterr.cli.output import note
from meterr.cli.snippets import snippets
from meterr.core import migrate
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.principal import Scope
from meterr.core.settings import Settings
from meterr.core.telemetry import Level, Telemetry

SIMULATOR_PORT = 8089
_SIMULATED = {
    "simulator-openai": ("openai", "openai_base_url", ("gpt-*", "o1*", "o3*", "o4*", "text-*")),
    "simulator-anthropic": ("anthropic", "anthropic_base_url", ("claude-*",)),
    "simulator-moonshot": ("moonshotai", "openai_base_url", ("kimi-*", "moonshot-*")),
}


@click.command("up")
@with_settings
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [default: 8080].")
@click.option("--simulator-port", type=int, default=SIMULATOR_PORT, show_default=True)
def command(
    config_file: Path | None,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    simulator_port: int,
) -> None:
    """
    Start everything on this machine: PostgreSQL, gateway, and a simulated provider.

    The simulated provider comes only when no provider is configured. The first start makes a
    tenant and a key, and prints the key once.
    """
    settings = configuration(config_file, data_dir, server__host=host, server__port=port).settings
    simulated = not settings.upstreams
    if simulated:
        flags = _simulated_upstreams(simulator_port)
        settings = configuration(
            config_file, data_dir, server__host=host, server__port=port, **flags
        ).settings
    settings.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _database(settings) as (dsn, embedded):
        plan = Plan(settings, dsn, embedded, simulator_port if simulated else None)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(plan))
    note("Stopped. Everything that was recorded is in the database or the journal.")


async def _run(plan: Plan) -> None:
    settings = plan.settings
    note("Bringing the database's schema up to date ...")
    await migrate.migrate(plan.dsn)
    secret = await _first_key(settings, plan.dsn)
    telemetry = Telemetry(SystemClock(), level=Level(settings.log.level))

    def ready(port: int) -> None:
        base_url = f"http://{settings.server.host}:{port}"
        note(snippets(base_url, secret, simulated=plan.simulator_port is not None))

    await Deployment(plan, telemetry).run(ready)


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    """Yield the configured database, or an embedded one that lives as long as the block."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), None
        return
    note("Starting PostgreSQL ...")
    left = database_url_file(settings.data_dir)
    with EmbeddedPostgres(settings.data_dir, settings.postgres_bin, say=note) as embedded:
        left.unlink(missing_ok=True)
        descriptor = os.open(left, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(embedded.dsn)
        try:
            yield embedded.dsn, embedded
        finally:
            left.unlink(missing_ok=True)


async def _first_key(settings: Settings, dsn: str) -> str:
    """Return the secret of a new key if this is the first start, else nothing."""
    clock = SystemClock()
    ids = IdFactory(clock)
    if settings.key_pepper is not None:
        keyring = identity.Keyring.from_secrets(settings.key_pepper, settings.key_pepper_previous)
    else:
        keyring = identity.Keyring.open(settings.data_dir / PEPPER_FILE, create_missing=True)
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
            scopes=[scope.value for scope in Scope],
        )
    return created.secret.presented.decode()


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
