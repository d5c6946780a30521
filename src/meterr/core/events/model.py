"""What an event is made of: frozen, bounded, and nothing in it that names a person or a secret."""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from meterr.core.acting import SOURCE, acting
from meterr.core.events.kinds import CATALOGUE, OF_REPORTS, Kind, Outcome, Severity
from meterr.core.http.client_address import network_of
from meterr.core.masking import HIDDEN
from meterr.core.redaction import Redactor

DETAIL_CHARS_MAX: Final = 200
INTEGER_MAX: Final = 2**53 - 1
"""Largest integer that every reader of JSON has exactly."""

_REDACTOR: Final = Redactor()
_PLAIN: Final = re.compile(r"[a-z_]{0,24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Words of ours and ids, which need no second look."""

Value = str | int | bool | None


class ActorKind(StrEnum):
    """Who acts."""

    USER = "user"  # a person who is signed in, or is signing in
    KEY = "key"  # a program with an API key
    OPERATOR = "operator"  # whoever has the command line
    SYSTEM = "system"  # meterr itself: a policy, a schedule
    NOBODY = "nobody"  # somebody whom nobody knows


class TargetKind(StrEnum):
    """What it was done to."""

    NONE = "none"
    KEY = "key"
    USER = "user"
    SESSION = "session"
    TENANT = "tenant"
    UPSTREAM = "upstream"
    SECRET = "secret"  # noqa: S105 (the name of a kind)
    KEYRING = "keyring"
    HOST = "host"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Source:
    """
    Who it came from: an opaque id, and the network of the client.

    ``network`` is an IPv4 address or the /64 of an IPv6 one, "" where nobody can know.
    """

    kind: ActorKind = ActorKind.NOBODY
    actor_id: str = ""
    network: str = ""

    @classmethod
    def user(cls, user_id: str, address: str = "") -> Self:
        """Return a person at a client's address."""
        return cls(ActorKind.USER, user_id, _network(address))

    @classmethod
    def key(cls, key_id: str, address: str = "") -> Self:
        """Return a program with the key of that id."""
        return cls(ActorKind.KEY, key_id, _network(address))

    @classmethod
    def stranger(cls, address: str) -> Self:
        """Return somebody of whom only the address is known."""
        return cls(network=_network(address))

    def acts(self) -> AbstractContextManager[None]:
        """Return a block within which every change is recorded as this one's."""
        return acting(self.kind.value, self.actor_id, self.network)


OPERATOR: Final = Source(ActorKind.OPERATOR)
SYSTEM: Final = Source(ActorKind.SYSTEM)
NOBODY: Final = Source()


def acting_source() -> Source:
    """Return who acts in this context, as ``Source.acts`` said; meterr itself where nobody did."""
    kind, actor_id, network = (SOURCE.get() or "system||").split("|")
    return Source(ActorKind(kind), actor_id, network)


class Target(NamedTuple):
    """What it was done to: a kind and an opaque id."""

    kind: TargetKind = TargetKind.NONE
    id: str = ""


NOTHING: Final = Target()
_EMPTY: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that somebody who guards this installation wants to know.

    Args:
        kind: One of the catalogue, which also says how much it matters and what came of it.
        tenant_id: Whose it is; None for the installation's.
        source: Who acts.
        target: What it was done to.
        detail: Flat, and only names that the catalogue lists. Texts are cut to 200 characters;
            credentials and mail addresses that somebody put into one are taken out.

    Raises ValueError for a name that the catalogue does not list: a slip of ours.
    """

    kind: Kind
    tenant_id: str | None
    source: Source = NOBODY
    target: Target = NOTHING
    detail: Mapping[str, Value] = field(default_factory=lambda: _EMPTY)

    def __post_init__(self) -> None:
        entry = CATALOGUE[self.kind]
        allowed = {*entry.details, *(OF_REPORTS if entry.reported else ())}
        if unknown := self.detail.keys() - allowed:
            raise ValueError(f"{self.kind} has no detail called {sorted(unknown)}")
        told = {name: _told(value) for name, value in sorted(self.detail.items())}
        object.__setattr__(self, "detail", MappingProxyType(told))
        # Ids are ours and opaque; what is not (a host, a reference) is cleaned like any text.
        object.__setattr__(self, "target", Target(self.target.kind, text_told(self.target.id)))

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return CATALOGUE[self.kind].severity

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        return CATALOGUE[self.kind].outcome


class Recorded(NamedTuple):
    """Where an event stands once it is recorded."""

    event_id: str
    at: datetime
    kind: Kind
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is read: what was recorded, whatever the catalogue says since."""

    event_id: str
    at: datetime
    tenant_id: str | None
    kind: str
    severity: str
    outcome: str
    actor_kind: str
    actor_id: str
    target_kind: str
    target_id: str
    network: str
    detail: Mapping[str, Value]

    def body(self) -> dict[str, object]:
        """Return it as JSON knows it: times as RFC 3339 with milliseconds, ids as text."""
        return {
            "id": self.event_id,
            "at": rfc3339(self.at),
            "tenant_id": self.tenant_id,
            "kind": self.kind,
            "severity": self.severity,
            "outcome": self.outcome,
            "actor": {"kind": self.actor_kind, "id": self.actor_id},
            "target": {"kind": self.target_kind, "id": self.target_id},
            "network": self.network,
            "detail": dict(self.detail),
        }


class EventPage(NamedTuple):
    """One page of events, newest first; ``after`` is None on the last."""

    events: tuple[EventRow, ...]
    after: str | None


def canonical(row: EventRow) -> bytes:
    """
    Return the one way to write an event down, byte for byte: RFC 8785 for what is in it.

    Names are ASCII, values are texts, integers within 2^53, booleans and null, so sorted names and
    no white space are all there is to it.
    """
    body = json.dumps(row.body(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return body.encode()


def rfc3339(at: datetime) -> str:
    """Return a time in UTC with milliseconds, which is all that an event's id has."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def text_told(text: str, chars_max: int = DETAIL_CHARS_MAX) -> str:
    """Return a text as events may hold it: short, printable, without credentials or addresses."""
    if _PLAIN.fullmatch(text):
        return text
    # Cut generously first: what is cut in the middle of a credential would have its shape no more.
    kept = "".join(each if each.isprintable() else " " for each in text[: 8 * chars_max])
    words = (HIDDEN if "@" in word else word for word in kept.split(" "))
    redacted = _REDACTOR.line(json.dumps(" ".join(words), ensure_ascii=False).encode())
    return str(json.loads(redacted))[:chars_max]


def _network(address: str) -> str:
    return network_of(address) if address else ""


def _told(value: Value) -> Value:
    if isinstance(value, str):
        return text_told(value)
    if isinstance(value, int):
        return max(-INTEGER_MAX, min(value, INTEGER_MAX)) if not isinstance(value, bool) else value
    return value
