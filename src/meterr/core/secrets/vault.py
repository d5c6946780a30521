"""HashiCorp Vault (or OpenBao), key-value engine version 2, through hvac."""

import io
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, Final

import hvac

from meterr.core.secrets.access import VaultAccess
from meterr.core.secrets.backend import Document, SecretRefused, SecretUnavailable
from meterr.core.secrets.bounds import TOO_LARGE, AnswerTooLarge, Patience, whole

_LOGIN: Final = "look at secrets.vault_token, or vault_role_id and vault_secret_id, and its policy"
_PLACE: Final = (
    "Look at secrets.vault_address, vault_ca_file and timeout_s, and whether Vault is up."
)
_FOREIGN: Final = "its answer is none of Vault's"

Failure = SecretRefused | SecretUnavailable


class VaultBackend:
    """
    Reads one document per call, with a login of its own, so no token grows old here.

    Redirects are not followed and the environment's proxies not used: the token goes to the
    configured address and nowhere else.
    """

    def __init__(self, access: VaultAccess) -> None:
        self._access = access
        self._patience = Patience(access.timeout_s)

    def read(self, place: str) -> Document:
        """Return the current version of ``mount/data/path``."""
        access = self._access
        token = _sendable("vault_token", access.token())
        secret_id = access.secret_id() if access.role_id else ""

        def ask() -> Document | Failure:
            try:
                return _asked(access, token, secret_id, place)
            except AnswerTooLarge:
                return SecretRefused(f"vault:{place}: {TOO_LARGE}; look at secrets.vault_address")
            # The libraries raise far more than they name, and what they raise holds answers, URLs
            # and headers with our token: its kind is all that is told.
            except Exception as error:  # noqa: BLE001
                return _unavailable(place, type(error).__name__)

        try:
            found = self._patience.wait_for(ask)
        except TimeoutError:
            found = _unavailable(place, f"no whole answer within {access.timeout_s:g} s")
        if isinstance(found, Failure):
            raise found
        return found


def _asked(access: VaultAccess, token: str, secret_id: str, place: str) -> Document | Failure:
    """Log in, if that is how it is done, and read; return the document or what to raise."""
    # An empty token, or hvac would look for one in the environment and in the home directory.
    client = hvac.Client(
        url=access.address,
        token=token,
        namespace=access.namespace,
        verify=True if access.ca_file is None else str(access.ca_file),
        timeout=access.timeout_s,
        allow_redirects=False,
        ignore_exceptions=True,  # they would read what an error's body says
    )
    with closing(client.adapter):
        client.session.trust_env = False
        client.session.hooks["response"].append(_bounded)
        if access.role_id:
            said = client.auth.approle.login(access.role_id, secret_id, use_token=False)
            if not isinstance(said, Mapping):
                return _refused_login(place, _status(said))
            client.token = _token_of(said)
            if not client.token:
                return _unavailable(place, _FOREIGN)
        mount, _, path = place.partition("/data/")
        answer = client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=mount, raise_on_deleted_version=True
        )
    return _document(place, answer)


def _bounded(answer: Any, **_: object) -> None:
    """Read an answer's body before the library does, and within bounds."""
    answer.raw = io.BytesIO(whole(answer.raw, decode=True))


def _sendable(name: str, secret: str) -> str:
    """Refuse what cannot be a header's value; the library would say it in its error."""
    if secret.isascii() and (secret.isprintable() or not secret) and " " not in secret:
        return secret
    raise SecretRefused(f"secrets.{name}: this is no token: it holds a character that none has")


def _token_of(said: Mapping[str, Any]) -> str:
    """Return the token that a login gave, or nothing."""
    auth = said.get("auth")
    token = auth.get("client_token") if isinstance(auth, Mapping) else None
    return token if isinstance(token, str) else ""


def _document(place: str, answer: Any) -> Document | Failure:
    if not isinstance(answer, Mapping):
        return _failure(place, _status(answer))
    outer = answer.get("data")
    inner = outer.get("data") if isinstance(outer, Mapping) else None
    if not isinstance(outer, Mapping) or not isinstance(inner, Mapping):
        return SecretRefused(
            f"vault:{place}: this is no secret of a key-value engine version 2; look at the mount "
            "and at secrets.vault_address"
        )
    metadata = outer.get("metadata")
    version = metadata.get("version") if isinstance(metadata, Mapping) else None
    return Document(dict(inner), "" if version is None else str(version)[:32])


def _status(answer: Any) -> int:
    """Return the status of what is no JSON object, or no success."""
    return int(getattr(answer, "status_code", 0))


def _refused_login(place: str, status: int) -> Failure:
    if status == HTTPStatus.BAD_REQUEST:
        return SecretRefused(
            f"vault:{place}: Vault refuses our login; look at secrets.vault_role_id and "
            "secrets.vault_secret_id"
        )
    return _failure(place, status)


def _failure(place: str, status: int) -> Failure:
    if status == HTTPStatus.NOT_FOUND:
        return SecretRefused(f"vault:{place}: there is no such secret, or it is deleted")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return SecretRefused(f"vault:{place}: Vault refuses our login or this path; {_LOGIN}")
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return _unavailable(place, _FOREIGN)
    if status < HTTPStatus.BAD_REQUEST:
        return _unavailable(place, f"status {status}: redirects are not followed")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(place, f"status {status}")
    return SecretRefused(f"vault:{place}: Vault refuses it with status {status}; {_LOGIN}")


def _unavailable(place: str, why: str) -> SecretUnavailable:
    return SecretUnavailable(f"Vault did not give vault:{place} ({why}). {_PLACE}")
