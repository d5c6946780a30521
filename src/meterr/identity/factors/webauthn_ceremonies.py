"""The two ceremonies of WebAuthn, through the one library that knows them. No database."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import webauthn
from webauthn.helpers import (
    options_to_json,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from meterr.identity.factors.ceremony import TIMEOUT_MS, Asserted, Registered, Verified
from meterr.identity.factors.model import StoredPasskey
from meterr.identity.factors.relying_party import RelyingParty

RESPONSE_CHARS_MAX: Final = 64 * 1024
_REQUIRED: Final = UserVerificationRequirement.REQUIRED


class WebAuthn:
    """``Ceremonies`` of one relying party. An exception of the library's own never leaves."""

    def __init__(self, relying_party: RelyingParty) -> None:
        self._rp = relying_party

    def registration_options(
        self, *, challenge: bytes, user_id: str, email: str, known: Sequence[StoredPasskey]
    ) -> str:
        """See ``Ceremonies``."""
        options = webauthn.generate_registration_options(
            rp_id=self._rp.rp_id,
            rp_name=self._rp.name,
            user_id=UUID(user_id).bytes,
            user_name=email,
            user_display_name=email,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=_REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return options_to_json(options)

    def sign_in_options(self, *, challenge: bytes, known: Sequence[StoredPasskey]) -> str:
        """See ``Ceremonies``."""
        options = webauthn.generate_authentication_options(
            rp_id=self._rp.rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=_REQUIRED,
        )
        return options_to_json(options)

    def challenge_of_registration(self, response: str) -> bytes | None:
        """See ``Ceremonies``."""
        try:
            credential = parse_registration_credential_json(_object(response))
            return parse_client_data_json(credential.response.client_data_json).challenge
        # A stranger's bytes: whatever the library makes of them, they are no answer.
        except Exception:  # noqa: BLE001 - as above
            return None

    def verified_registration(self, response: str, challenge: bytes) -> Registered | None:
        """See ``Ceremonies``."""
        try:
            sent = _object(response)
            credential = parse_registration_credential_json(sent)
            verified = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp.rp_id,
                expected_origin=self._rp.origin,
                require_user_verification=True,
            )
            known = {transport.value for transport in AuthenticatorTransport}
            return Registered(
                credential_id=verified.credential_id,
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                backed_up=verified.credential_backed_up,
                transports=tuple(
                    each.value
                    for each in credential.response.transports or ()
                    if each.value in known
                ),
            )
        # As above.
        except Exception:  # noqa: BLE001 - a stranger's bytes
            return None

    def asserted(self, response: str) -> Asserted | None:
        """See ``Ceremonies``."""
        try:
            credential = parse_authentication_credential_json(_object(response))
            handle = credential.response.user_handle
            return Asserted(
                credential_id=credential.raw_id,
                user_handle=None if not handle else str(UUID(bytes=handle)),
                challenge=parse_client_data_json(credential.response.client_data_json).challenge,
            )
        # As above.
        except Exception:  # noqa: BLE001 - a stranger's bytes
            return None

    def verified_sign_in(
        self, response: str, challenge: bytes, passkey: StoredPasskey
    ) -> Verified | None:
        """See ``Ceremonies``."""
        try:
            verified = webauthn.verify_authentication_response(
                credential=_object(response),
                expected_challenge=challenge,
                expected_rp_id=self._rp.rp_id,
                expected_origin=self._rp.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        # As above.
        except Exception:  # noqa: BLE001 - a stranger's bytes
            return None
        return Verified(sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up)


def _object(response: str) -> dict[str, Any]:
    if len(response) > RESPONSE_CHARS_MAX:
        raise WebAuthnException("too long")
    found = json.loads(response)
    if not isinstance(found, dict):
        raise WebAuthnException("no object")
    return found


def _descriptors(known: Sequence[StoredPasskey]) -> list[PublicKeyCredentialDescriptor]:
    names: Mapping[str, AuthenticatorTransport] = {t.value: t for t in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id,
            transports=[names[each] for each in passkey.transports if each in names],
        )
        for passkey in known
    ]
