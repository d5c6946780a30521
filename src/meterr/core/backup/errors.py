"""Why a backup was not made or not restored. Nothing was changed then."""

from typing import ClassVar

from meterr.core.errors import MeterrError, OperatorError


class BackupRefused(OperatorError):
    """What was asked for would overwrite something, or cannot be done with what is here."""


class BackupFailed(MeterrError):
    """A backup could not be made, or is not whole, or could not be restored; all is as before."""

    code: ClassVar[str] = "backup-failed"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Backup failed"
