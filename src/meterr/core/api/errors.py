"""What our API refuses with before a service is asked."""

from meterr.core.errors import MeterrError


class UnsupportedMediaType(MeterrError):
    """The body is not JSON by its content type."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"

    def __init__(self) -> None:
        super().__init__("Send the body as application/json.")


class NotConfigured(MeterrError):
    """The operator has not set up what this needs; asking again changes nothing."""

    code, status, title = "not-configured", 501, "Not configured"

    def __init__(self, what: str, setting: str) -> None:
        super().__init__(f"{what} needs the setting {setting}. Ask the operator of this server.")
