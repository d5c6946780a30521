"""Who signed a report: ECDSA on P-256 over the raw body, by a key that the reporter publishes."""

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from meterr.core.errors import MeterrError, Unavailable

CACHED_S: Final = 30 * 60
AGAIN_S: Final = 60
"""
A name of a key that we do not know costs at most one look per minute, whoever makes them up: also
when many come at once, and when there is nothing to be seen.
"""

TAKEN_MAX: Final = 10_000
_NAME_CHARS_MAX: Final = 200
_SIGNATURE_BYTES_MAX: Final = 80


class ReportRefused(MeterrError):
    """The report was not signed by whom the settings name, or came before; one text for all."""

    code, status, title = "report-refused", 401, "Report refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The report is not signed by a key that is trusted here, or was taken before.",
            reason=reason,
        )


class Fetch(Protocol):
    """Returns the document at the configured address. Raises MeterrError when there is none."""

    async def __call__(self) -> bytes: ...


class _PublicKey(msgspec.Struct):
    key_identifier: str
    key: str


class _Published(msgspec.Struct):
    public_keys: list[_PublicKey]


class Signatures:
    """Checks reports; remembers keys for half an hour, and reports so that none counts twice."""

    def __init__(self, fetch: Fetch, monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: Mapping[str, ec.EllipticCurvePublicKey] = {}
        self._looked_at = float("-inf")
        self._read_at = float("-inf")  # the last look that found something
        self._one_at_a_time = asyncio.Lock()
        self._taken: OrderedDict[bytes, None] = OrderedDict()

    async def check(self, body: bytes, name: str, signature: str) -> None:
        """
        Raise ReportRefused unless ``body`` was signed by the key ``name`` and was not taken here.

        Raises what ``fetch`` and ``read_keys`` do, and
        Unavailable while they failed less than a minute ago and the keys that we have will not do.
        """
        if not 0 < len(name) <= _NAME_CHARS_MAX:
            raise ReportRefused("no_key_named")
        key = await self._key(name)
        if key is None:
            raise ReportRefused("unknown_key")
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            raise ReportRefused("no_signature") from None
        if not 0 < len(raw) <= _SIGNATURE_BYTES_MAX:
            raise ReportRefused("no_signature")
        try:
            key.verify(raw, body, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise ReportRefused("wrong_signature") from None
        if _digest(body) in self._taken:
            raise ReportRefused("replayed")

    def taken(self, body: bytes) -> None:
        """
        Refuse a report from now on: once all of it is done, so that one that failed can come again.

        Each process remembers the last 10,000 by itself.
        """
        self._taken[_digest(body)] = None
        if len(self._taken) > TAKEN_MAX:
            self._taken.popitem(last=False)

    async def _key(self, name: str) -> ec.EllipticCurvePublicKey | None:
        if self._known(name) is None:
            async with self._one_at_a_time:
                # Whoever had to wait may find that somebody else has looked meanwhile.
                if self._known(name) is None and self._since(self._looked_at) >= AGAIN_S:
                    await self._look()
        key = self._known(name)
        if key is None and self._read_at != self._looked_at:
            raise Unavailable(
                "The reporter's public keys cannot be fetched right now. Report again later.",
                retry_after_s=AGAIN_S,
            )
        return key

    def _known(self, name: str) -> ec.EllipticCurvePublicKey | None:
        return self._keys.get(name) if self._since(self._read_at) < CACHED_S else None

    def _since(self, at: float) -> float:
        return self._monotonic() - at

    async def _look(self) -> None:
        self._looked_at = self._monotonic()
        self._keys = read_keys(await self._fetch())
        self._read_at = self._looked_at


def _digest(body: bytes) -> bytes:
    # Of the body: a signature of the same words can be made anew, with other bytes.
    return hashlib.sha256(body).digest()


def read_keys(document: bytes) -> Mapping[str, ec.EllipticCurvePublicKey]:
    """
    Return the keys on P-256 in a document of public keys, by name; others are left out.

    Raises Unavailable for what is no such document: that says nothing about who signed a report.
    """
    try:
        published = msgspec.json.decode(document, type=_Published)
    except msgspec.DecodeError:
        raise Unavailable(
            "The reporter's public keys cannot be read right now. Report again later.",
            reason="keys_unreadable",
            retry_after_s=AGAIN_S,
        ) from None
    found = {}
    for each in published.public_keys:
        try:
            key = load_pem_public_key(each.key.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            found[each.key_identifier] = key
    return found
