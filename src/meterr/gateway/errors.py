"""What can go wrong with one call, as the caller is told."""

from typing import ClassVar

from meterr.core.errors import MeterrError


class PriceUnknown(MeterrError):
    """The tenant refuses calls whose cost cannot be known."""

    code: ClassVar[str] = "price-unknown"
    status: ClassVar[int] = 402
    title: ClassVar[str] = "Price unknown"


class CallUnbounded(MeterrError):
    """A hard limit on cost or tokens holds, and nothing bounds what the call can use."""

    code: ClassVar[str] = "call-unbounded"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Call without a bound"


class CallTooLarge(MeterrError):
    """A call uses more tokens than a limit allows in a whole minute; waiting does not help."""

    code: ClassVar[str] = "call-too-large"
    status: ClassVar[int] = 429
    title: ClassVar[str] = "Call larger than its limit"


class UpstreamUnreachable(MeterrError):
    """No connection to the provider; the call never left."""

    code: ClassVar[str] = "upstream-unreachable"
    status: ClassVar[int] = 502
    title: ClassVar[str] = "Provider unreachable"


class UpstreamTimeout(MeterrError):
    """The provider did not answer in time; it may have worked on the call, and may bill it."""

    code: ClassVar[str] = "upstream-timeout"
    status: ClassVar[int] = 504
    title: ClassVar[str] = "Provider timeout"


class UpstreamBroken(MeterrError):
    """The provider's answer broke off or is not valid HTTP."""

    code: ClassVar[str] = "upstream-broken"
    status: ClassVar[int] = 502
    title: ClassVar[str] = "Provider answer broken"


class UpstreamCredential(MeterrError):
    """The provider refused meterr's own credential; the caller's key is fine."""

    code: ClassVar[str] = "upstream-credential"
    status: ClassVar[int] = 502
    title: ClassVar[str] = "Provider credential refused"
