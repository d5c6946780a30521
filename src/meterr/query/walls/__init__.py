"""The walls in the database: a login for each tenant, and what logins may call. See README.md."""

from meterr.query.walls.hardening import harden
from meterr.query.walls.logins import QueryNotSetUp, TenantLogins, TooManyQuestions
from meterr.query.walls.model import (
    LOGINS_OF_A_TENANT_MAX,
    PASSWORD,
    Finding,
    Hardening,
    Login,
    Mode,
)
from meterr.query.walls.tokens import Tokens

__all__ = [
    "LOGINS_OF_A_TENANT_MAX",
    "PASSWORD",
    "Finding",
    "Hardening",
    "Login",
    "Mode",
    "QueryNotSetUp",
    "TenantLogins",
    "Tokens",
    "TooManyQuestions",
    "harden",
]
