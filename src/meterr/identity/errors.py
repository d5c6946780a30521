"""What the room refuses with."""

from meterr.core.errors import MeterrError, Unavailable
from meterr.identity.model import Reason

_REFUSED = "This API key is not valid. Check it for typing errors or ask its owner for a new one."
_MISSING = (
    "No API key was sent. Send it as 'Authorization: Bearer sk-meterr_...' "
    "or as 'x-api-key: sk-meterr_...'."
)
RETRY_AFTER_S = 1


class KeyRefused(MeterrError):
    """
    The key does not count. One public text for every reason, so that nobody learns which it was.

    ``reason``, ``private`` and whose key it is are for our own code, log and events.
    """

    code, status, title = "invalid-key", 401, "Invalid API key"

    def __init__(self, reason: Reason, *, key_id: str = "", tenant_id: str = "") -> None:
        private = f"reason={reason.value} key_id={key_id}" if key_id else f"reason={reason.value}"
        super().__init__(_MISSING if reason is Reason.MISSING else _REFUSED, private=private)
        self.reason = reason
        self.key_id = key_id
        self.tenant_id = tenant_id


class KeyUnverifiable(Unavailable):
    """Whether the key counts cannot be known right now: never a 401, always worth a retry."""

    code, title = "key-unverifiable", "Key cannot be verified right now"

    def __init__(self, private: str) -> None:
        super().__init__(
            "The API key cannot be verified right now. Retry in a moment.",
            private=private,
            retry_after_s=RETRY_AFTER_S,
        )


class NameTaken(MeterrError):
    """A tenant of that name exists."""

    code, status, title = "name-taken", 409, "Name taken"
