"""
The two ceremonies of WebAuthn, through the one library that knows them. No state, no database.

Whatever comes from a browser is a stranger's bytes in five nested encodings: the answer is a
verified result or None, never an exception of the library's own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from meterr.identity.factors.model import StoredPasskey
from meterr.identity.factors.relying_party import RelyingParty

CHALLENGE_BYTES: Final = 32
TIMEOUT_MS: Final = 5 * 60 * 1000
RESPONSE_CHARS_MAX: Final = 64 * 1024
_REQUIRED: Final = UserVerificationRequirement.REQUIRED
_LABEL: Final = b"meterr passkey challenge\0"


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey that its authenticator has just made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an authenticator said, not yet verified: which passkey, whose, to which challenge."""

    credential_id: bytes
    user_handle: str | None
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """An authenticator's answer that is right."""

    sign_count: int
    backed_up: bool


def digest_of(challenge: bytes) -> bytes:
    """Return what the database knows a challenge by."""
    return hashlib.sha256(_LABEL + challenge).digest()


def registration_options(
    rp: RelyingParty,
    *,
    challenge: bytes,
    user_id: str,
    email: str,
    known: Sequence[StoredPasskey],
) -> str:
    """Return what ``navigator.credentials.create`` wants, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=rp.rp_id,
        rp_name=rp.name,
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


def sign_in_options(rp: RelyingParty, *, challenge: bytes, known: Sequence[StoredPasskey]) -> str:
    """Return what ``navigator.credentials.get`` wants; without ``known``, for any passkey."""
    options = webauthn.generate_authentication_options(
        rp_id=rp.rp_id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=_descriptors(known),
        user_verification=_REQUIRED,
    )
    return options_to_json(options)


def challenge_of_registration(response: str) -> bytes | None:
    """Return the challenge that a response answers to, unverified."""
    try:
        credential = parse_registration_credential_json(_object(response))
        return parse_client_data_json(credential.response.client_data_json).challenge
    # A stranger's bytes: whatever the library makes of them, they are no answer.
    except Exception:  # noqa: BLE001 - as above
        return None


def verified_registration(rp: RelyingParty, response: str, challenge: bytes) -> Registered | None:
    """Return the passkey that a response brings, or None when anything about it is wrong."""
    try:
        sent = _object(response)
        credential = parse_registration_credential_json(sent)
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp.rp_id,
            expected_origin=rp.origin,
            require_user_verification=True,
        )
        known = {transport.value for transport in AuthenticatorTransport}
        return Registered(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            backed_up=verified.credential_backed_up,
            transports=tuple(
                each.value for each in credential.response.transports or () if each.value in known
            ),
        )
    # As above.
    except Exception:  # noqa: BLE001 - a stranger's bytes
        return None


def asserted(response: str) -> Asserted | None:
    """Return what a sign-in response claims, unverified; None when it cannot be read."""
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
    rp: RelyingParty, response: str, challenge: bytes, passkey: StoredPasskey
) -> Verified | None:
    """Return the verified answer of ``passkey``, or None when anything about it is wrong."""
    try:
        verified = webauthn.verify_authentication_response(
            credential=_object(response),
            expected_challenge=challenge,
            expected_rp_id=rp.rp_id,
            expected_origin=rp.origin,
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
