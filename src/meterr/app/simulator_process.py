"""The simulator as a process of its own: a provider that a gateway's death does not touch."""

from pathlib import Path

from meterr import simulator
from meterr.app.child import Instructions
from meterr.app.http_server import serve
from meterr.core.settings import ServerSettings


async def run_simulator(instructions: Instructions) -> None:
    """Serve the simulator on the inherited socket."""
    log = Path(instructions.call_log) if instructions.call_log else None
    await serve(simulator.create_app(log), ServerSettings(), instructions.socket)
