"""``meterr simulator``: a provider that answers offline."""

import asyncio
import contextlib
from pathlib import Path

import click
import uvicorn

from meterr.app.simulator_process import expect_broken_answers
from meterr.app.supervisor import listen
from meterr.cli.output import note
from meterr.simulator import create_app


@click.command("simulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8089, show_default=True, help="Port to listen on.")
@click.option(
    "--call-log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that every received call is appended to [default: memory only].",
)
def command(host: str, port: int, call_log: Path | None) -> None:
    """
    Run the simulated provider, both dialects on one port.

    What it answers is steered by the request: see docs/reference/simulator.md.
    """
    expect_broken_answers()
    listener = listen(host, port)
    config = uvicorn.Config(
        create_app(call_log),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    note(f"The simulator answers at http://{host}:{listener.getsockname()[1]}. Ctrl+C stops it.")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
