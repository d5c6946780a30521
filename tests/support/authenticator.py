"""A passkey authenticator in software: ES256, attestation "none", every field open to forgery."""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT = 0x01
VERIFIED = 0x04
ATTESTED = 0x40


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One authenticator with one passkey at most, in one browser at ``origin``."""

    origin: str
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    user_handle: bytes = b""
    count: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED

    def create(self, options: str, **forged: Any) -> str:
        """Answer ``navigator.credentials.create``; ``forged`` replaces fields of client data."""
        wanted = json.loads(options)
        self.user_handle = decoded(wanted["user"]["id"])
        rp_id = forged.pop("rp_id", wanted["rp"]["id"])
        point = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )
        attested = bytes(16) + struct.pack(">H", len(self.credential_id))
        attested += self.credential_id + cose
        data = self._data(rp_id, self.flags | ATTESTED) + attested
        client = self._client("webauthn.create", wanted["challenge"], forged)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            {
                "clientDataJSON": encoded(client),
                "attestationObject": encoded(attestation),
                "transports": ["internal"],
            }
        )

    def get(self, options: str, **forged: Any) -> str:
        """Answer ``navigator.credentials.get``."""
        wanted = json.loads(options)
        rp_id = forged.pop("rp_id", wanted["rpId"])
        handle = forged.pop("user_handle", self.user_handle)
        self.count += self.counts
        data = self._data(rp_id, self.flags)
        client = self._client("webauthn.get", wanted["challenge"], forged)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            {
                "clientDataJSON": encoded(client),
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
                "userHandle": encoded(handle) if handle else None,
            }
        )

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, challenge: str, forged: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **forged}).encode()

    def _credential(self, response: dict[str, Any]) -> str:
        identity = encoded(self.credential_id)
        return json.dumps(
            {"id": identity, "rawId": identity, "type": "public-key", "response": response}
        )
