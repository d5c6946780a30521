"""The transport's failures as the caller is told about them: no addresses, no provider text."""

from typing import Final

from meterr.core.errors import MeterrError
from meterr.gateway.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from meterr.gateway.upstream import (
    ConnectFailed,
    ConnectFault,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    SendStalled,
    UpstreamError,
    UpstreamProtocolError,
)

ADDRESS_REFUSED: Final = "upstream-address-refused"
"""What the log says of a provider whose host leads to where meterr does not connect."""


def told(error: UpstreamError) -> MeterrError:
    """Return the public error for a transport failure; the private part keeps the reason."""
    private = repr(error)
    match error:
        case ConnectFailed() | ConnectTimeout():
            refused = isinstance(error, ConnectFailed) and error.fault is ConnectFault.ADDRESS
            return UpstreamUnreachable(
                "The provider cannot be reached. The call did not leave; try again.",
                private=private,
                reason=ADDRESS_REFUSED if refused else "",
            )
        case FirstByteTimeout():
            return UpstreamTimeout("The provider did not answer in time.", private=private)
        case IdleTimeout():
            return UpstreamTimeout("The provider fell silent inside its answer.", private=private)
        case SendStalled():
            return UpstreamTimeout("The provider did not take the request.", private=private)
        case UpstreamProtocolError():
            return UpstreamBroken("The provider's answer is not valid HTTP.", private=private)
        case _:
            return UpstreamBroken("The provider's answer broke off.", private=private)
