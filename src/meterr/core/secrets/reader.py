"""Secrets by reference: read once per while, never older than allowed, and every read on record."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from meterr.core.secrets.backend import Backend, Document, SecretRefused, SecretUnavailable
from meterr.core.secrets.reference import Reference, Scheme


class OnOutage(StrEnum):
    """What happens when a secret's time is up and its place does not answer."""

    REFUSE = "refuse"  # no secret
    STALE = "stale"  # the old one, up to a named age


class Outcome(StrEnum):
    """How a read ended."""

    READ = "read"
    CACHED = "cached"
    STALE = "stale"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a value is used without asking, and how long at most while nobody answers."""

    ttl_s: float = 300.0
    stale_s_max: float = 3600.0
    on_outage: OnOutage = OnOutage.REFUSE


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One read for the record: who asked for which reference, and what came of it. No value."""

    who: str
    reference: str
    outcome: Outcome
    version: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in clear, kept out of renderings, with its place's own version."""

    text: str = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    document: Document
    read_at: float


class SecretReader:
    """
    Reads references through their backends; usable from several threads.

    A backend is opened when its first reference is read, so a library that is missing matters only
    to those who need it. ``read`` blocks: call it at start-up or in a thread.
    """

    def __init__(
        self,
        backends: Mapping[Scheme, Callable[[], Backend]],
        *,
        freshness: Freshness,
        monotonic: Callable[[], float],
        record: Callable[[SecretRead], None],
    ) -> None:
        self._open = backends
        self._opened: dict[Scheme, Backend] = {}
        self._kept: dict[tuple[Scheme, str], _Kept] = {}
        self._freshness = freshness
        self._monotonic = monotonic
        self._record = record
        self._one_at_a_time = threading.Lock()

    def read(self, reference: Reference, who: str) -> Secret:
        """
        Return the secret.

        Args:
            reference: What to read.
            who: On whose behalf, for the record: a setting's name or a part of meterr.

        Raises:
            SecretRefused: there is none, it is empty, or it is not for us. What was kept of it is
                forgotten: a secret that was taken away is not used on.
            SecretUnavailable: nobody answers and ``on_outage`` does not allow the old value.
            OperatorError: the backend's library is not installed.
        """
        outcome, version = Outcome.REFUSED, ""
        try:
            with self._one_at_a_time:
                outcome, document = self._document(reference)
            version = document.version
            return Secret(_picked(document, reference), version)
        except SecretUnavailable:
            outcome = Outcome.UNAVAILABLE
            raise
        except SecretRefused:
            outcome = Outcome.REFUSED
            raise
        finally:
            self._record(SecretRead(who, str(reference), outcome, version))

    def _document(self, reference: Reference) -> tuple[Outcome, Document]:
        place = (reference.scheme, reference.place)
        kept = self._kept.get(place)
        now = self._monotonic()
        if kept is not None and now - kept.read_at < self._freshness.ttl_s:
            return Outcome.CACHED, kept.document
        try:
            document = self._backend(reference.scheme).read(reference.place)
        except SecretUnavailable:
            if kept is None or not self._may_be_stale(now - kept.read_at):
                self._kept.pop(place, None)
                raise
            return Outcome.STALE, kept.document
        except SecretRefused:
            self._kept.pop(place, None)
            raise
        # Its age counts from before the question: what was changed meanwhile is asked for in time.
        self._kept[place] = _Kept(document, now)
        return Outcome.READ, document

    def _may_be_stale(self, age_s: float) -> bool:
        fresh = self._freshness
        return fresh.on_outage is OnOutage.STALE and age_s < fresh.stale_s_max

    def _backend(self, scheme: Scheme) -> Backend:
        if scheme not in self._opened:
            self._opened[scheme] = self._open[scheme]()
        return self._opened[scheme]

    def __repr__(self) -> str:
        return "<SecretReader>"


def _picked(document: Document, reference: Reference) -> str:
    """Return the field that the reference names, or the whole text when it names none."""
    content: object = document.content
    if reference.field:
        fields = _fields(document.content, reference)
        if reference.field not in fields:
            raise SecretRefused(f"{reference}: there is no such field")
        content = fields[reference.field]
    if not isinstance(content, str):
        raise SecretRefused(f"{reference}: this is no text")
    if not content.strip():
        raise SecretRefused(f"{reference}: this is empty")
    return content.strip()


def _fields(content: str | Mapping[str, object], reference: Reference) -> Mapping[str, object]:
    if not isinstance(content, str):
        return content
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise SecretRefused(f"{reference}: the secret has no fields; leave out #{reference.field}")
    return found
