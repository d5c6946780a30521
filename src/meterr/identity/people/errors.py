"""What the people services refuse with."""

from meterr.core.errors import MeterrError


class ClaimRefused(MeterrError):
    """The claim does not exist, was used, or is over; one text for all."""

    code, status, title = "claim-refused", 404, "Claim not valid"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "This link is not valid any more. Ask whoever sent it for a new one.", reason=reason
        )


class LastAdmin(MeterrError):
    """A tenant would be left without anybody who can administer it."""

    code, status, title = "last-admin", 409, "Last administrator"

    def __init__(self) -> None:
        super().__init__(
            "This is the last administrator. Make somebody else an administrator first."
        )


class AlreadyMember(MeterrError):
    """The person is a member of the tenant; roles are changed by their own call."""

    code, status, title = "already-member", 409, "Already a member"

    def __init__(self) -> None:
        super().__init__("This person is a member already; to change the role, set the role.")


class OwnRole(MeterrError):
    """Nobody raises their own role, and nobody invites themselves."""

    code, status, title = "own-role", 403, "Own role"

    def __init__(self) -> None:
        super().__init__("You cannot give yourself a role. Ask another administrator.")
