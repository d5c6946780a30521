"""HashiCorp Vault (or OpenBao), key-value engine version 2, through hvac."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

import hvac
import hvac.exceptions

from meterr.core.secrets.access import VaultAccess
from meterr.core.secrets.backend import Document, SecretRefused, SecretUnavailable

_LATER: Final = (
    hvac.exceptions.BadGateway,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.RateLimitExceeded,
    hvac.exceptions.VaultDown,
    hvac.exceptions.VaultNotInitialized,
)


class VaultBackend:
    """
    Reads one document per call, with a login of its own, so no token grows old here.

    Redirects are not followed and the environment's proxies not used: the token goes to the
    configured address and nowhere else.
    """

    def __init__(self, access: VaultAccess) -> None:
        self._access = access

    def read(self, place: str) -> Document:
        """Return the current version of ``mount/data/path``."""
        mount, _, path = place.partition("/data/")
        try:
            with closing(_Session(self._access)) as session:
                answer = session.read(mount, path)
        except hvac.exceptions.InvalidPath:
            raise SecretRefused(
                f"vault:{place}: there is no such secret, or it is deleted"
            ) from None
        except (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized):
            raise SecretRefused(f"vault:{place}: Vault refuses our login or this path") from None
        except _LATER as error:
            raise _unavailable(place, type(error).__name__) from None
        except hvac.exceptions.VaultError as error:
            raise SecretRefused(f"vault:{place}: {type(error).__name__}") from None
        except OSError as error:  # every failure of the library below hvac is one
            raise _unavailable(place, type(error).__name__) from None
        return _document(place, answer)


class _Session:
    def __init__(self, access: VaultAccess) -> None:
        # An empty token, or hvac would look for one in the environment and in the home directory.
        self._client = hvac.Client(
            url=access.address,
            token=access.token(),
            namespace=access.namespace,
            verify=True if access.ca_file is None else str(access.ca_file),
            timeout=access.timeout_s,
            allow_redirects=False,
        )
        self._client.session.trust_env = False
        if access.role_id:
            self._client.auth.approle.login(access.role_id, access.secret_id())

    def read(self, mount: str, path: str) -> Any:
        return self._client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=mount, raise_on_deleted_version=True
        )

    def close(self) -> None:
        self._client.adapter.close()


def _document(place: str, answer: Any) -> Document:
    if not isinstance(answer, Mapping):
        status = getattr(answer, "status_code", "no")
        raise _unavailable(place, f"{status} for an answer; redirects are not followed")
    outer = answer.get("data")
    inner = outer.get("data") if isinstance(outer, Mapping) else None
    if not isinstance(outer, Mapping) or not isinstance(inner, Mapping):
        raise SecretRefused(f"vault:{place}: this is no secret of a key-value engine version 2")
    metadata = outer.get("metadata")
    version = metadata.get("version") if isinstance(metadata, Mapping) else None
    return Document(dict(inner), "" if version is None else str(version)[:32])


def _unavailable(place: str, why: str) -> SecretUnavailable:
    return SecretUnavailable(f"Vault did not give vault:{place} ({why}).")
