"""What changes of keys are refused with."""

from meterr.core.errors import MeterrError


class ChangedMeanwhile(MeterrError):
    """Somebody changed the key after it was read: writing now would undo what they did unseen."""

    code, status, title = "changed-meanwhile", 409, "Changed meanwhile"

    def __init__(self, version: int) -> None:
        super().__init__(
            "This key was changed since you read it. Read it again, and send the change with its"
            f" version ({version} now).",
            param="version",
        )
