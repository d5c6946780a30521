"""What a refused person is told."""

from meterr.core.errors import MeterrError


class Forbidden(MeterrError):
    """The caller is known and may not do this."""

    code, status, title = "forbidden", 403, "Not allowed"

    def __init__(self, private: str) -> None:
        super().__init__(
            "You may not do this here. Ask an administrator of the tenant for the role it needs.",
            private=private,
        )


class ProofNeeded(MeterrError):
    """The caller may do this, but has to prove or state something first; ``needs`` says what."""

    code, status, title = "proof-needed", 403, "Further proof needed"

    def __init__(self, needs: tuple[str, ...]) -> None:
        super().__init__(f"This needs {' and '.join(_WAYS[need] for need in needs)}.")
        self.needs = needs


_WAYS = {
    "mfa": "a session with a second factor: sign in with one, or add one first",
    "step_up": "a second factor given just now: give it once more",
    "sign_in": "a session that began just now: sign in again",
    "reason": "a reason of 10 to 500 characters",
}
