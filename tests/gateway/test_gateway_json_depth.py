"""How deep a body on a metered path may be: the interpreter's own bound, told in docs/reference."""

import pytest

from meterr.core.errors import Invalid
from meterr.gateway import SURFACES
from meterr.gateway.metering import read_request


def body(depth: int) -> bytes:
    return b'{"model":"m","x":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize("surface", [surface.name for surface in SURFACES])
def test_900_levels_pass_and_1000_are_refused(surface: str) -> None:
    """Limits: no schema that people send has 50; what is deeper than the stack is 400, not 500."""
    assert "m" == read_request(surface, body(900)).model
    with pytest.raises(Invalid, match="deeply"):
        read_request(surface, body(1000))
