"""The simulator as a process of its own: a provider that a gateway's death does not touch."""

import logging
from pathlib import Path

from meterr import simulator
from meterr.app.child import Instructions
from meterr.app.http_server import serve
from meterr.core.http.settings import ServerSettings

_BROKEN_ANSWER = "ASGI callable returned without"


async def run_simulator(instructions: Instructions) -> None:
    """Serve the simulator on the inherited socket."""
    expect_broken_answers()
    log = Path(instructions.call_log) if instructions.call_log else None
    await serve(simulator.create_app(log), ServerSettings(), instructions.socket)


def expect_broken_answers() -> None:
    """Keep uvicorn from reporting answers that the simulator breaks on request as errors."""
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)


def _is_unexpected(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_BROKEN_ANSWER)
