"""What a caller is told who tries too often."""

from meterr.core.errors import MeterrError


class TooManyAttempts(MeterrError):
    """Too many attempts to sign in; the same answer whether the account exists or not."""

    code, status, title = "too-many-attempts", 429, "Too many attempts"

    def __init__(self, retry_after_s: int, reason: str) -> None:
        super().__init__(
            f"Too many attempts. Try again in {retry_after_s} s, from an address you have signed "
            "in from before, or with a passkey.",
            reason=reason,
            retry_after_s=retry_after_s,
        )
