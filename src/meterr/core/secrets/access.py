"""What it takes to ask a service for secrets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """
    Where Vault is and how we log in: with a token, or as an AppRole when ``role_id`` is set.

    ``token`` and ``secret_id`` are asked anew for every read: an agent may have written others.
    """

    address: str
    token: Callable[[], str] = field(repr=False)
    secret_id: Callable[[], str] = field(repr=False)
    role_id: str = ""
    namespace: str | None = None
    ca_file: Path | None = None
    timeout_s: float = 5.0


def _any(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """
    Where Secrets Manager is; None leaves it to AWS's own configuration.

    ``permits`` says of an address whether a secret may travel from there, since AWS's own
    configuration may name any.
    """

    region: str | None = None
    endpoint_url: str | None = None
    timeout_s: float = 5.0
    permits: Callable[[str], bool] = _any
