"""Entry of the child processes; people use ``meterr serve`` and ``meterr up``."""

import uvloop

from meterr.app.child import Part, read_instructions
from meterr.app.gateway_process import run_gateway
from meterr.app.simulator_process import run_simulator


def main() -> None:
    """Become what the parent asks for."""
    instructions, settings = read_instructions()
    if instructions.part is Part.SIMULATOR:
        uvloop.run(run_simulator(instructions))
    elif settings is not None:
        uvloop.run(run_gateway(instructions, settings))


if __name__ == "__main__":
    main()
