"""Ed25519 keys with a name. A name is looked up, never opened, fetched or put into a statement."""

import re
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from meterr.core.crypto.unshown import Unshown
from meterr.core.tokens.compact import encoded

ALGORITHM: Final = "Ed25519"
"""EdDSA by its name since RFC 9864, which retires `EdDSA` for saying nothing about the curve."""
SEED_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
_KID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)


def is_kid(name: object) -> bool:
    """Return whether ``name`` can be the name of a key."""
    return isinstance(name, str) and _KID.fullmatch(name) is not None


class VerifyingKey:
    """The public half."""

    __slots__ = ("jwk", "kid", "public")

    def __init__(self, kid: str, public: bytes) -> None:
        if not is_kid(kid) or len(public) != PUBLIC_BYTES:
            raise ValueError("a key has a name of a-z, 0-9 and -, and 32 bytes")
        self.kid = kid
        self.public = public
        self.jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoded(public)})

    def __repr__(self) -> str:
        return f"<VerifyingKey {self.kid}>"


class SigningKey(Unshown):
    """The private half, made from its 32 bytes."""

    __slots__ = ("__seed", "jwk", "verifying")

    def __init__(self, kid: str, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a private key has 32 bytes")
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        self.verifying = VerifyingKey(kid, public)
        halves = {"x": encoded(public), "d": encoded(seed)}
        self.jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", **halves})
        self.__seed = seed

    @property
    def kid(self) -> str:
        """The key's name."""
        return self.verifying.kid

    def seed(self) -> bytes:
        """Return the key itself: to be sealed, and nothing else."""
        return self.__seed

    def _shown(self) -> str:
        return self.kid


def new_signing_key(kid: str, randomness: Callable[[int], bytes]) -> SigningKey:
    """Return a fresh key called ``kid``."""
    return SigningKey(kid, randomness(SEED_BYTES))
