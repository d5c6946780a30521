"""Which refusals and failures of this process are security events, and getting them written."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from meterr import identity
from meterr.app.upkeep import running, tell_failure
from meterr.core.clock import Clock
from meterr.core.crypto.errors import KeyMissing, KeyRetired
from meterr.core.db import Database, Role
from meterr.core.errors import MeterrError
from meterr.core.events import (
    NOBODY,
    Event,
    Kind,
    Reporter,
    ReportWriter,
    Source,
    Target,
    TargetKind,
)
from meterr.core.http.asgi import Scope
from meterr.core.http.client_address import client_address
from meterr.core.telemetry import RequestLine, Telemetry
from meterr.gateway.upstream_errors import ADDRESS_REFUSED
from meterr.identity.model import Reason

# By code, which never changes: the classes belong to modules that a gateway without the management
# API does not load.
_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "sign-in-refused": Kind.SIGN_IN_FAILED,
        "factor-refused": Kind.SIGN_IN_FAILED,
        "passkey-refused": Kind.SIGN_IN_FAILED,
        "challenge-refused": Kind.SIGN_IN_FAILED,
        "claim-refused": Kind.SIGN_IN_FAILED,
        "code-refused": Kind.SIGN_IN_FAILED,
        "too-many-attempts": Kind.SIGN_IN_FAILED,
        "forbidden": Kind.ACCESS_DENIED,
        "not-found": Kind.ACCESS_DENIED,
        "host-not-allowed": Kind.REQUEST_WRONG_HOST,
        "cross-origin": Kind.REQUEST_CROSS_ORIGIN,
        "outbound-refused": Kind.OUTBOUND_REFUSED,
        "report-refused": Kind.LEAK_REPORT_REFUSED,
        "sealed-value-unreadable": Kind.CREDENTIAL_UNDECRYPTABLE,
    }
)
_QUESTIONS: Final = frozenset({"query.ask", "query.ask_there"})
_MALFORMED: Final = frozenset({Reason.MALFORMED, Reason.CHECKSUM})
_HOST_BYTES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Smells:
    """Tell a reporter of what the door refused and what failed behind it, if it smells."""

    reporter: Reporter

    def __call__(self, scope: Scope, line: RequestLine, error: Exception) -> None:
        """Report what there is to report; no I/O."""
        for event in events_of(scope, line, error):
            self.reporter.report(event)


def events_of(scope: Scope, line: RequestLine, error: Exception) -> Iterator[Event]:
    """Yield the events that an error is; none for everyday slips and outages."""
    if isinstance(error, KeyMissing | KeyRetired):
        detail = {"reason": type(error).__name__}
        yield Event(Kind.CREDENTIAL_UNDECRYPTABLE, None, NOBODY, detail=detail)
    if not isinstance(error, MeterrError):
        return
    address = str(client_address(scope) or "")
    source = Source.user(line.user_id, address) if line.user_id else Source.stranger(address)
    if isinstance(error, identity.KeyRefused):
        yield from _about_key(error, source)
    elif error.reason == ADDRESS_REFUSED:
        upstream = Target(TargetKind.UPSTREAM, line.upstream)
        yield Event(Kind.OUTBOUND_REFUSED, None, NOBODY, upstream, {"reason": "provider"})
    elif error.code == "too-many-requests" and line.route in _QUESTIONS:
        asker = Source.key(line.key_id, address) if line.key_id else source
        yield Event(Kind.QUERY_LIMITED, line.tenant_id or None, asker)
    elif error.code in _KINDS:
        yield from _about(_KINDS[error.code], error, source, scope, line)
    began = getattr(error, "began", ())
    if began:
        yield Event(Kind.SIGN_IN_PAUSED, None, source, detail={"limits": " ".join(began)})


def _about_key(error: identity.KeyRefused, source: Source) -> Iterator[Event]:
    reason = error.reason
    if reason is Reason.MISSING:
        return
    if reason is Reason.UNKNOWN:
        yield Event(Kind.KEY_UNKNOWN, None, source)
    elif reason in _MALFORMED:
        yield Event(Kind.KEY_MALFORMED, None, source, detail={"reason": reason})
    else:
        key = Target(TargetKind.KEY, error.key_id)
        yield Event(Kind.KEY_REFUSED, error.tenant_id or None, source, key, {"reason": reason})


def _about(
    kind: Kind, error: MeterrError, source: Source, scope: Scope, line: RequestLine
) -> Iterator[Event]:
    match kind:
        case Kind.SIGN_IN_FAILED:
            detail = {"code": error.code, "reason": error.reason}
            target = Target(TargetKind.USER, getattr(error, "user_id", ""))
            yield Event(kind, None, source, target if target.id else Target(), detail)
        case Kind.ACCESS_DENIED:
            if line.user_id:  # strangers ask for what is not there all day long
                detail = {"code": error.code, "route": line.route}
                yield Event(kind, line.tenant_id or None, source, detail=detail)
        case Kind.REQUEST_WRONG_HOST:
            yield Event(kind, None, source, Target(TargetKind.HOST, _host(scope)))
        case _:
            yield Event(kind, None, source, detail={"reason": error.reason})


def _host(scope: Scope) -> str:
    named: bytes = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return named[:_HOST_BYTES_MAX].decode("latin-1")


@asynccontextmanager
async def open_reports(
    dsn: str, clock: Clock, telemetry: Telemetry, reporter: Reporter | None = None
) -> AsyncIterator[Reporter]:
    """Yield this process's reporter; what it counted is written meanwhile and at the end."""
    reporter = reporter or Reporter()
    async with Database.open(dsn, Role.APP, pool_size_max=1) as db:
        tell = partial(tell_failure, telemetry, "security events")
        async with running(ReportWriter(db, reporter, clock.monotonic, tell).run()):
            yield reporter
