"""Why a token is refused: for our log, never for whoever presented it."""

from enum import StrEnum


class Flaw(StrEnum):
    """What is wrong with a token."""

    FORM = "form"  # no three parts of canonical base64url, or too long
    JSON = "json"  # a part is no JSON object, or a name stands in it twice
    HEADER = "header"  # other members than ours, or other values
    KEY = "key"  # signed with a key that is none of ours, or no more
    SIGNATURE = "signature"
    CLAIMS = "claims"  # missing, unknown, of another type, or not for us
    LIFE = "life"  # a life that no token of ours has
    EXPIRED = "expired"
    EARLY = "early"  # from the future


class TokenRefused(Exception):
    """The token does not count; ``flaw`` says why. Holds nothing of the token."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw
