"""What the session services refuse with."""

from meterr.core.errors import MeterrError, Unavailable

RETRY_AFTER_S = 1


class SessionRefused(MeterrError):
    """The token does not count. One public text for every reason; ``reason`` is for our log."""

    code, status, title = "session-refused", 401, "Not signed in"

    def __init__(self, reason: str) -> None:
        super().__init__("You are not signed in, or not any more. Sign in again.", reason=reason)


class SessionUnverifiable(Unavailable):
    """Whether a session lasts cannot be known right now: never a 401, always worth a retry."""

    code, title = "session-unverifiable", "Session cannot be verified right now"

    def __init__(self, private: str) -> None:
        super().__init__(
            "Whether you are signed in cannot be verified right now. Retry in a moment.",
            private=private,
            retry_after_s=RETRY_AFTER_S,
        )


class ChallengeRefused(MeterrError):
    """The sign-in that this belongs to is over, was finished, or never began; one text for all."""

    code, status, title = "challenge-refused", 401, "Sign-in over"

    def __init__(self, reason: str) -> None:
        super().__init__("This sign-in is over. Begin again with the password.", reason=reason)


class SharedMember(MeterrError):
    """The sessions are also for another tenant, or for the platform: no one tenant's to end."""

    code, status, title = "shared-member", 409, "Member elsewhere, too"

    def __init__(self) -> None:
        super().__init__(
            "This person is signed in for more than this tenant. Remove the membership to end what "
            "they may do here, or ask a super_admin to end the sessions."
        )


class RotationTooSoon(MeterrError):
    """The next signing key is too new to sign: some process may not know it yet."""

    code, status, title = "rotation-too-soon", 409, "Too soon after the last rotation"

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            f"The next key was published just now. Rotate again in {wait_s} s, or refuse all "
            "tokens of the present keys at once."
        )
