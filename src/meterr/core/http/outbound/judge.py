"""May meterr connect there? Pure: the destination, its addresses and the operator's word decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from meterr.core.http.outbound.address import Address, Kind, kind_of, plain
from meterr.core.http.outbound.allowlist import AllowList
from meterr.core.http.outbound.destination import Destination


class Reason(StrEnum):
    """Why a destination is refused; for the log."""

    NO_ADDRESS = "no-address"
    NOT_GLOBAL = "address-not-global"
    NEVER = "address-never-allowed"  # nobody can list it, or only by its very address
    MOVED_INWARD = "address-moved-inward"
    NOT_HTTPS = "plain-http"


@dataclass(frozen=True, slots=True)
class Trust:
    """
    What the operator has said about destinations.

    ``written`` means that this very one stands in the configuration, which allows private addresses
    for it; ``known`` then holds the kinds of places it has led to so far, and it may not move.
    """

    allow: AllowList = field(default_factory=AllowList)
    written: bool = False
    known: frozenset[Kind] = frozenset()


def judge(to: Destination, addresses: Sequence[Address], trust: Trust) -> Reason | None:
    """
    Return why ``to`` must not be connected to at ``addresses``, or None.

    One bad address refuses all: a name that mixes inside and outside is how rebinding begins.
    """
    if not addresses:
        return Reason.NO_ADDRESS
    reasons = (_judge_one(to, address, trust) for address in addresses)
    return next((reason for reason in reasons if reason is not None), None)


def _judge_one(to: Destination, address: Address, trust: Trust) -> Reason | None:
    kind = kind_of(address)
    listed_address = trust.allow.has(str(plain(address)), to.port)
    if kind is Kind.NOWHERE:
        return Reason.NEVER
    if kind in (Kind.METADATA, Kind.LINK_LOCAL):
        return None if listed_address else Reason.NEVER
    if listed_address or trust.allow.has(to.host, to.port) or trust.allow.covers(address):
        return None
    if kind is Kind.GLOBAL:
        return None if to.tls else Reason.NOT_HTTPS
    if not trust.written:
        return Reason.NOT_GLOBAL
    return None if not trust.known or kind in trust.known else Reason.MOVED_INWARD
