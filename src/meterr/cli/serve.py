"""``meterr serve``: the gateway on a PostgreSQL of yours."""

import asyncio
import contextlib
from pathlib import Path

import click

from meterr.app import encryption, own_address, upstreams
from meterr.app.deployment import Deployment, Plan
from meterr.app.gateway_process import keyring
from meterr.app.supervisor import listen
from meterr.cli.context import checked_reader, configuration, database_url, with_settings
from meterr.cli.output import note
from meterr.cli.snippets import base_url
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError
from meterr.core.events import Reporter
from meterr.core.telemetry import Level, Telemetry


@click.command("serve")
@with_settings
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [default: 8080].")
@click.option("--workers", type=int, help="Gateway processes, 1 to 64 [default: 1].")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
) -> None:
    """
    Start the gateway and its drain; stay until stopped.

    Needs METERR_DATABASE_URL with the schema of this version ('meterr db migrate'), the pepper,
    and at least one provider.
    """
    flags = {"server__host": host, "server__port": port, "server__workers": workers}
    reporter = Reporter()
    settings = configuration(config_file, data_dir, reporter=reporter, **flags).settings
    if not settings.upstreams:
        raise ConfigurationError(
            "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or KIMI_API_KEY, or "
            "describe one as [upstreams.NAME] in meterr.toml"
        )
    upstreams.check(settings.upstreams, settings.outbound)
    # Keys that cannot be used are told here, not by a child that dies.
    keyring(settings)
    encryption.configured(settings)
    own_address.check(settings)
    checked_reader(settings)
    settings.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    listening = listen(settings.server.host, settings.server.port)
    plan = Plan(settings, database_url(settings), listening, reporter=reporter)
    telemetry = Telemetry(SystemClock(), level=Level(settings.log.level))

    async def ready(port: int) -> None:
        note(f"meterr is ready at {base_url(settings.server.host, port)}. Stop it with Ctrl+C.")

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Deployment(plan, telemetry).run(ready))
