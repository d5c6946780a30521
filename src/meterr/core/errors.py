"""The one error family. A room's errors say what happened, what to do next, and nothing else."""

from collections.abc import Mapping
from typing import ClassVar


class MeterrError(Exception):
    """
    Base of every error that a caller may see.

    ``code`` is API: it never changes with the class name. ``detail`` is one public sentence that
    names the field and the way out; ``private`` is for tracebacks, ``reason`` (a word from a closed
    list) for the log. ``retry_after_s`` is set on every 429 and 503. ``members`` is what a problem
    document says beside the usual, and public.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        private: str = "",
        reason: str = "",
        retry_after_s: int | None = None,
        param: str | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.private = private
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.param = param
        self.members = members or {}


class OperatorError(Exception):
    """
    Told to whoever runs meterr, never to a caller over HTTP.

    The text is one sentence that names what is wrong and the way out, and holds no secret.
    """


class Invalid(MeterrError):
    """The request cannot be understood; ``param`` names the field."""

    code, status, title = "invalid-request", 400, "Invalid request"


class NotFound(MeterrError):
    """No such thing, or it is not yours: the two are not told apart."""

    code, status, title = "not-found", 404, "Not found"


class Unavailable(MeterrError):
    """meterr itself cannot serve right now; the caller may retry after ``retry_after_s``."""

    code, status, title = "unavailable", 503, "Temporarily unavailable"


class NotConfigured(MeterrError):
    """The operator has not set up what this needs; asking again changes nothing."""

    code, status, title = "not-configured", 501, "Not configured"

    def __init__(self, what: str, setting: str, instead: str = "") -> None:
        super().__init__(
            f"{what} needs the setting {setting}. Ask the operator of this server{instead}."
        )


class UnsupportedMediaType(MeterrError):
    """The body is not JSON by its own headers."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"
