"""What keeps an embedded PostgreSQL from running."""

from typing import ClassVar

from meterr.core.errors import MeterrError


class EmbeddedPostgresError(MeterrError):
    """The embedded server cannot run; ``detail`` names the path and the way out."""

    code: ClassVar[str] = "embedded-postgres"
    status: ClassVar[int] = 503
    title: ClassVar[str] = "Embedded PostgreSQL cannot run"
