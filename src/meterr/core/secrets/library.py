"""Where the backends come from that need a library of their own."""

from importlib.util import find_spec
from pkgutil import resolve_name

from meterr.core.errors import OperatorError
from meterr.core.secrets.access import AwsAccess, VaultAccess
from meterr.core.secrets.backend import Backend


def vault_backend(access: VaultAccess) -> Backend:
    """Return the backend for Vault. Raises OperatorError when its library is missing."""
    return _loaded("hvac", "vault", "meterr.core.secrets.vault:VaultBackend", access)


def aws_backend(access: AwsAccess) -> Backend:
    """Return the backend for AWS. Raises OperatorError when its library is missing."""
    return _loaded("boto3", "aws", "meterr.core.secrets.aws:AwsBackend", access)


def _loaded(library: str, extra: str, name: str, access: VaultAccess | AwsAccess) -> Backend:
    """Load by name, here and only here: nobody who keeps secrets elsewhere should need it."""
    if find_spec(library) is None:
        raise OperatorError(
            f"references like {extra}:… need the extra {extra!r}. "
            f"Run: pip install 'meterr[{extra}]'"
        )
    backend: Backend = resolve_name(name)(access)
    return backend
