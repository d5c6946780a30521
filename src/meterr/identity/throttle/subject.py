"""What an attempt is counted under. Pure; nothing readable is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterr.core.http.client_address import network_of, site_of
from meterr.identity.throttle.window import Kind


class Proof(StrEnum):
    """What is attempted."""

    PASSWORD = "password"  # noqa: S105 - the name of a proof
    FACTOR = "factor"  # a TOTP or recovery code
    PASSKEY = "passkey"
    CLAIM = "claim"


KINDS: Final[Mapping[Proof, tuple[Kind, ...]]] = {
    Proof.PASSWORD: (
        Kind.ACCOUNT,
        Kind.ACCOUNT_HERE,
        Kind.ADDRESS,
        Kind.GLOBAL,
        Kind.PASSED,
        Kind.PASSED_HERE,
        Kind.PASSED_SITE,
    ),
    # A password or a session came before it, so a crowd of strangers is not in its way.
    Proof.FACTOR: (Kind.ADDRESS, Kind.FACTOR),
    # Nobody's guesses stand in the way of a passkey, not even from the same address.
    Proof.PASSKEY: (Kind.CEREMONY,),
    Proof.CLAIM: (Kind.CEREMONY,),
}
# Nobody else's attempts hold up an account at an address that is its own.
OVERLOOKED_WHERE_FAMILIAR: Final = frozenset({Kind.ACCOUNT, Kind.GLOBAL, Kind.PASSED})


@dataclass(frozen=True, slots=True)
class Subject:
    """One window's key: a kind, and 32 bytes that tell nothing to whoever reads the table."""

    kind: Kind
    digest: bytes


def subjects_of(
    proof: Proof, account: str, address: str, mac: Callable[[bytes], bytes]
) -> tuple[Subject, ...]:
    """
    Return what an attempt is counted under, in the order in which locks are taken.

    Args:
        proof: What is attempted.
        account: The canonical address or the id of the account, known or not; "" for none.
        address: The client's, behind trusted proxies.
        mac: A keyed digest of 32 bytes: people type passwords where an address belongs.
    """
    network, site = network_of(address), site_of(address)
    texts = {
        Kind.ACCOUNT: account,
        Kind.ACCOUNT_HERE: f"{account}\0{network}",
        Kind.ADDRESS: network,
        Kind.CEREMONY: network,
        Kind.FACTOR: account,
        Kind.GLOBAL: "",
        Kind.PASSED: account,
        Kind.PASSED_HERE: f"{account}\0{site}",
        Kind.PASSED_SITE: site,
    }
    return tuple(
        Subject(kind, mac(f"meterr sign-in\0{kind}\0{texts[kind]}".encode()))
        for kind in sorted(KINDS[proof])
    )
