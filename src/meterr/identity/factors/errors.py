"""What the factor services refuse with."""

from meterr.core.errors import MeterrError
from meterr.identity.throttle import Kind


class FactorRefused(MeterrError):
    """The factor does not count: wrong, used before, over, or none; one text for all."""

    code, status, title = "factor-refused", 401, "Second factor refused"

    def __init__(self, reason: str, began: tuple[Kind, ...] = (), user_id: str = "") -> None:
        super().__init__(
            "This does not count. A code is good once; wait for the next one and try again.",
            reason=reason,
        )
        self.began = began
        self.user_id = user_id


class PasskeyRefused(MeterrError):
    """The passkey's answer does not count; one text for every reason."""

    code, status, title = "passkey-refused", 401, "Passkey refused"

    def __init__(self, reason: str, private: str = "") -> None:
        super().__init__(
            "This passkey does not count here. Begin again, or use another way to sign in.",
            reason=reason,
            private=private,
        )


class LastFactor(MeterrError):
    """The account needs a second factor, and this is the last one."""

    code, status, title = "last-factor", 409, "Last second factor"

    def __init__(self) -> None:
        super().__init__(
            "This account needs a second factor. Add another one before you remove this one; with "
            "a password of fewer than 15 characters, set a longer one first."
        )
