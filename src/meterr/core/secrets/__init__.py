"""Secrets that are kept elsewhere: how settings name them, and how they are read."""

from meterr.core.secrets.access import AwsAccess, VaultAccess
from meterr.core.secrets.backend import Backend, Document, SecretRefused, SecretUnavailable
from meterr.core.secrets.reader import (
    Freshness,
    OnOutage,
    Outcome,
    Secret,
    SecretRead,
    SecretReader,
)
from meterr.core.secrets.reference import PLAIN, Reference, Scheme

__all__ = [
    "PLAIN",
    "AwsAccess",
    "Backend",
    "Document",
    "Freshness",
    "OnOutage",
    "Outcome",
    "Reference",
    "Scheme",
    "Secret",
    "SecretRead",
    "SecretReader",
    "SecretRefused",
    "SecretUnavailable",
    "VaultAccess",
]
