"""``POST /v1/leaks``: keys that somebody found, in the shape of GitHub's secret scanning."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

import msgspec
from fastapi import Request

from meterr.core.api import NotConfigured, Operation, Shown
from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.core.policy import Open, Route
from meterr.identity.keyring import Keyring
from meterr.identity.leaks import Fate, revoke_found, scan
from meterr.identity.leaks.signatures import ReportRefused, Signatures

PATH: Final = "/v1/leaks"
FOUND_MAX: Final = 1_000
_TEXT_BYTES_MAX: Final = 512


class _Found(msgspec.Struct):
    """One entry of a report. What else it says is passed over: the shape is somebody else's."""

    token: str
    type: str = ""
    url: str = ""
    source: str = ""


class Labelled(Shown):
    """What a reported text was; by its SHA-256, so that no answer has a key."""

    token_hash: str
    token_type: str
    label: Literal["true_positive", "false_positive"]


@dataclass(frozen=True, slots=True)
class LeakRoutes:
    """
    Reports of leaked keys. ``db_auth`` acts as ``Role.AUTH``, ``db`` as ``Role.APP``.

    ``signatures`` is None where no reporter is configured.
    """

    db_auth: Database
    db: Database
    keyring: Keyring
    signatures: Signatures | None

    async def report(self, request: Request) -> list[Labelled]:
        """Take a signed list of leaked keys; every key of ours in it is revoked at once."""
        if self.signatures is None:
            raise NotConfigured("Reporting leaked keys", "leaks.public_keys_url")
        body = await request.body()
        name = request.headers.get("github-public-key-identifier", "")
        signature = request.headers.get("github-public-key-signature", "")
        await self.signatures.check(body, name, signature)
        reported = _read(body)
        # Each by itself: what is only a key across two of them is none.
        keys = [[key.presented for key in scan([_text(each)])] for each in reported]
        times = Counter(chain.from_iterable(keys))
        leaks = await revoke_found(self.db_auth, self.db, self.keyring, times)
        self.signatures.taken(body)
        ours = {key for key, leak in leaks.items() if leak.fate is not Fate.UNKNOWN}
        return [
            _labelled(each, ours=not ours.isdisjoint(found))
            for each, found in zip(reported, keys, strict=True)
        ]

    def operations(self) -> Iterator[Operation]:
        """Yield the route."""
        yield Operation(
            Route("POST", PATH),
            Open("The reporter's signature over the body is the proof."),
            self.report,
            "leaks.report",
            cookie=False,
            errors=(ReportRefused, NotConfigured),
            raw=True,
        )


def _text(found: _Found) -> bytes:
    return found.token.encode("utf-8", "replace")[:_TEXT_BYTES_MAX]


def _labelled(found: _Found, *, ours: bool) -> Labelled:
    return Labelled(
        token_hash=base64.b64encode(hashlib.sha256(found.token.encode()).digest()).decode(),
        token_type=found.type,
        label="true_positive" if ours else "false_positive",
    )


def _read(body: bytes) -> list[_Found]:
    try:
        found = msgspec.json.decode(body, type=list[_Found])
    except msgspec.DecodeError:
        raise Invalid("A report is a JSON array of objects with a token each.") from None
    if len(found) > FOUND_MAX:
        raise Invalid(f"A report has at most {FOUND_MAX} tokens.")
    return found
