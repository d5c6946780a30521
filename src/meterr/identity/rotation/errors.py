"""What rotation refuses with."""

from meterr.core.errors import MeterrError

_CLAIM = (
    "This code is not valid: it was used, has expired, was replaced, or never was one. Ask whoever"
    " gave it to you for a new one."
)


class AlreadyRotated(MeterrError):
    """
    The key has a successor that counts. Its secret was shown once and is not shown again.

    Answering with the successor and no secret would look like success to a script that then stores
    nothing; so a repeated rotation is an error that changes nothing and names the successor.
    """

    code, status, title = "already-rotated", 409, "Key already rotated"

    def __init__(self, successor_id: str) -> None:
        super().__init__(
            f"This key was rotated: its successor is {successor_id}. Rotate that one; if its secret"
            " was lost, revoke it first and rotate this key again.",
            param="key_id",
        )
        self.successor_id = successor_id


class KeyEnded(MeterrError):
    """The key does not count any more, and nothing brings it back."""

    code, status, title = "key-ended", 409, "Key has ended"

    def __init__(self) -> None:
        super().__init__(
            "This key is revoked, expired or past its grace. Create a new one.", param="key_id"
        )


class CodeRefused(MeterrError):
    """A code that does not count. One text for every reason; ``private`` says which it was."""

    code, status, title = "code-refused", 404, "Code not valid"

    def __init__(self, private: str) -> None:
        super().__init__(_CLAIM, private=private)
