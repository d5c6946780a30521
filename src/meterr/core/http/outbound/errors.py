"""What can go wrong on the way out, told without a word about what is inside."""

from typing import ClassVar

from meterr.core.errors import MeterrError
from meterr.core.http.outbound.judge import Reason


class OutboundRefused(MeterrError):
    """
    meterr does not connect to this address; the operator can allow it.

    The public text is the same for a name that does not exist and one that leads inside, or it
    would tell strangers what there is; ``reason`` says which.
    """

    code: ClassVar[str] = "outbound-refused"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Address refused"

    def __init__(self, *, reason: Reason | str, private: str = "") -> None:
        super().__init__(
            "The URL's host has no address that meterr may connect to. Use an https URL on the "
            "public internet; the operator can allow others with the setting outbound.allow.",
            reason=str(reason),
            private=private,
        )


class OutboundMalformed(MeterrError):
    """The URL or a header of an outbound request cannot be sent."""

    code: ClassVar[str] = "outbound-malformed"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "URL refused"


class OutboundFailed(MeterrError):
    """The other side was allowed but did not answer as it should; ``reason`` says how."""

    code: ClassVar[str] = "outbound-failed"
    status: ClassVar[int] = 502
    title: ClassVar[str] = "No answer from the other side"
