"""Public keys of who reports leaks: a stranger who makes up names costs one look a minute."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterr.core.errors import MeterrError, Unavailable
from meterr.identity.leaks.signatures import AGAIN_S, CACHED_S, ReportRefused, Signatures

TRIES = 20
KNOWN = "known"


def published() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return json.dumps({"public_keys": [{"key_identifier": KNOWN, "key": pem}]}).encode()


@dataclass
class Publisher:
    """Where the keys are to be had; ``document`` None while it is away."""

    document: bytes | None
    looks: int = 0
    now_s: float = 1000.0

    async def fetch(self) -> bytes:
        self.looks += 1
        await asyncio.sleep(0)  # others may come meanwhile
        if self.document is None:
            raise Unavailable("away", retry_after_s=60)
        return self.document

    def signatures(self) -> Signatures:
        return Signatures(self.fetch, lambda: self.now_s)


async def ask(signatures: Signatures, name: str) -> None:
    with contextlib.suppress(MeterrError):
        await signatures.check(b"[]", name, "AAAA")


async def test_a_publisher_that_is_away_is_asked_once_a_minute() -> None:
    """A look that fails costs as much as any: unlimited ones are an attack on somebody else."""
    publisher = Publisher(None)
    signatures = publisher.signatures()
    for n in range(TRIES):
        await ask(signatures, f"made-up-{n}")
    assert 1 == publisher.looks
    publisher.now_s += AGAIN_S
    await ask(signatures, "made-up")
    assert 2 == publisher.looks


async def test_many_at_once_are_one_look() -> None:
    """Whoever comes during a look waits for what it finds."""
    publisher = Publisher(published())
    signatures = publisher.signatures()
    await asyncio.gather(*(ask(signatures, f"made-up-{n}") for n in range(TRIES)))
    assert 1 == publisher.looks


async def test_a_reporter_is_told_to_come_again_while_nothing_can_be_read() -> None:
    """503 and not 401, which would say that the signature is wrong; old keys do not count."""
    publisher = Publisher(published())
    signatures = publisher.signatures()
    with pytest.raises(ReportRefused) as refused:
        await signatures.check(b"[]", KNOWN, "AAAA")
    assert "wrong_signature" == refused.value.reason
    publisher.document = None
    publisher.now_s += CACHED_S
    for _ in range(2):
        with pytest.raises(Unavailable):
            await signatures.check(b"[]", KNOWN, "AAAA")
    assert 2 == publisher.looks


async def test_a_document_that_cannot_be_read_is_an_outage_and_no_wrong_signature() -> None:
    """503 and not 401, which would say that the signature is wrong; and one look a minute."""
    publisher = Publisher(b"<html>maintenance</html>")
    signatures = publisher.signatures()
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            await signatures.check(b"[]", KNOWN, "AAAA")
        assert AGAIN_S == refused.value.retry_after_s
    assert 1 == publisher.looks


async def test_made_up_names_do_not_keep_known_ones_from_being_checked() -> None:
    """A look that failed takes nothing away: keys that were read count for half an hour."""
    publisher = Publisher(published())
    signatures = publisher.signatures()
    await ask(signatures, KNOWN)
    publisher.document = None
    publisher.now_s += AGAIN_S
    await ask(signatures, "made-up")
    with pytest.raises(ReportRefused) as refused:
        await signatures.check(b"[]", KNOWN, "AAAA")
    assert "wrong_signature" == refused.value.reason
    with pytest.raises(Unavailable):
        await signatures.check(b"[]", "new-since", "AAAA")
