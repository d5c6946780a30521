"""Entry of the child processes; people use ``meterr serve`` and ``meterr up``."""

import gc
from pkgutil import resolve_name

import uvloop

from meterr.app.child import Part, read_instructions


def main() -> None:
    """Become what the parent asks for, and load no other part."""
    # Nearly all that a start makes stays: looking for garbage in it takes a quarter of the start.
    # What serves turns the collector on again.
    gc.disable()
    instructions, settings = read_instructions()
    if instructions.part is Part.SIMULATOR:
        run_simulator = resolve_name("meterr.app.simulator_process:run_simulator")
        uvloop.run(run_simulator(instructions))
    elif settings is not None:
        run_gateway = resolve_name("meterr.app.gateway_process:run_gateway")
        uvloop.run(run_gateway(instructions, settings))


if __name__ == "__main__":
    main()
