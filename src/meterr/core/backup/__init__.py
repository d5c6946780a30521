"""Encrypted backups of the database, and their way back. See README.md."""

from meterr.core.backup.dump import backup
from meterr.core.backup.errors import BackupFailed, BackupRefused
from meterr.core.backup.keys import Keys
from meterr.core.backup.library import age
from meterr.core.backup.restore import Restored, Settled, Strike, restore

__all__ = [
    "BackupFailed",
    "BackupRefused",
    "Keys",
    "Restored",
    "Settled",
    "Strike",
    "age",
    "backup",
    "restore",
]
