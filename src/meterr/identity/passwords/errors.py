"""What a person is told whose password did not count."""

from meterr.core.errors import MeterrError
from meterr.identity.throttle import Kind


class FactorNeeded(MeterrError):
    """A reset of an account with a second factor came without one; ``ways`` says which it has."""

    code, status, title = "factor-needed", 403, "Second factor needed"

    def __init__(self, ways: tuple[str, ...]) -> None:
        super().__init__(
            "This account has a second factor: give it with the new password. Without any, ask "
            "whoever sent this link for one that does without."
        )
        self.ways = ways


class SignInRefused(MeterrError):
    """
    The sign-in does not count. One public text for every reason.

    ``reason`` is for our log; ``began`` names the limits that this attempt was the first to reach,
    and ``user_id`` the account, where there is one, for whoever reports events.
    """

    code, status, title = "sign-in-refused", 401, "Sign-in refused"

    def __init__(self, reason: str, began: tuple[Kind, ...] = (), user_id: str = "") -> None:
        super().__init__("E-mail address or password is not right.", reason=reason)
        self.began = began
        self.user_id = user_id
