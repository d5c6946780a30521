"""The management API, composed: services, routes and the gate. Loaded only where it is served."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pkgutil import resolve_name

from meterr import identity
from meterr.app.people import open_people
from meterr.app.questions import open_questions
from meterr.app.sessions import open_sessions
from meterr.core.api import Allowances, Api, Operation, Quotas
from meterr.core.api.allowance import REQUESTS
from meterr.core.api.openapi import OpenApi
from meterr.core.clock import Clock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys
from meterr.core.db import Database, Role
from meterr.core.events import Reporter
from meterr.core.events.api import EventRoutes
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.core.telemetry import Telemetry
from meterr.identity.api import IdentityServices, SessionGate
from meterr.identity.api import operations as identity_operations
from meterr.identity.api.leaks import LeakRoutes
from meterr.identity.factors import Vault
from meterr.identity.leaks.signatures import Fetch, Signatures
from meterr.identity.presented import ScopeMissing
from meterr.identity.sessions import SessionRefused, SessionUnverifiable
from meterr.ledger.api import operations as ledger_operations
from meterr.query.api import COUNTED_AS
from meterr.query.api import operations as query_operations


@dataclass(frozen=True, slots=True)
class Parts:
    """What this process has already, for the API to share."""

    settings: Settings
    dsn: str
    keyring: identity.Keyring
    keys: KeyEncryptionKeys
    clock: Clock
    ids: IdFactory
    reporter: Reporter
    telemetry: Telemetry
    authenticator: identity.Authenticator
    port: int | None


@asynccontextmanager
async def open_management(parts: Parts) -> AsyncIterator[Api]:
    """
    Yield the API for the block.

    Raises OriginRefused, RelyingPartyRefused for a ``sign_in.origin`` that cannot be used, and
    RouteUndeclared for a route that does not say who may call it.
    """
    settings, dsn, clock = parts.settings, parts.dsn, parts.clock
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database.open(dsn, Role.APP))
        people = await stack.enter_async_context(open_people(settings, dsn, parts.keyring, clock))
        sessions = await stack.enter_async_context(
            open_sessions(settings, dsn, parts.keyring, parts.keys, clock, people, parts.telemetry)
        )
        data_keys = DataKeys(parts.keys, clock)
        services = IdentityServices(
            db=db,
            people_db=people.db,
            clock=clock,
            ids=parts.ids,
            keyring=parts.keyring,
            data_keys=data_keys,
            hasher=people.hasher,
            throttle=people.throttle,
            vault=people.vault or Vault(data_keys, db),
            passkeys=people.passkeys,
            sign_in=sessions.sign_in,
            sessions=sessions.sessions,
            authority=sessions.authority,
            cookies=sessions.cookies,
            step_up_ms=people.step_up_ms,
            reporter=parts.reporter,
        )
        gate = SessionGate(
            services.authority,
            services.cookies,
            clock,
            services.step_up_ms,
            db,
            parts.authenticator,
        )
        described = OpenApi(
            (SessionRefused, SessionUnverifiable), (identity.KeyRefused, ScopeMissing)
        )
        db_auth = await stack.enter_async_context(Database.open(dsn, Role.AUTH, pool_size_max=1))
        leaks = LeakRoutes(db_auth, db, parts.keyring, _leak_signatures(settings, clock))
        questions = await stack.enter_async_context(_questions(parts))
        api = Api(
            [*_operations(services, described), *leaks.operations(), *questions],
            gate,
            _quotas(parts, people.db),
            body_timeout_s=settings.server.body_timeout_s,
        )
        described.describe(api)
        yield api


def _leak_signatures(settings: Settings, clock: Clock) -> Signatures | None:
    """Return what judges reports of leaked keys; None when none are taken."""
    url = settings.leaks.public_keys_url
    if url is None:
        return None
    # By name: an HTTP client takes memory that a process without reports is to be spared.
    published: Callable[[str, Sequence[str]], Fetch] = resolve_name(
        "meterr.app.leak_reports:published_keys"
    )
    return Signatures(published(url, settings.outbound.allow), clock.monotonic)


@asynccontextmanager
async def _questions(parts: Parts) -> AsyncIterator[Iterable[Operation]]:
    opened = open_questions(
        parts.settings, parts.dsn, lambda: parts.keyring, parts.clock, parts.ids, port=parts.port
    )
    async with opened as at:
        yield list(query_operations(at.answers, at.sources, at.db, parts.ids, parts.clock))


def _quotas(parts: Parts, db: Database) -> Quotas:
    """Return what each caller may send; ``db`` acts as ``Role.IDENTITY``."""
    settings = parts.settings
    by_unit = {
        REQUESTS: settings.server.api_requests_per_minute,
        COUNTED_AS: settings.query.per_minute,
    }
    return Quotas(
        {
            unit: Allowances(db, parts.clock, parts.keyring.mac, quota, unit)
            for unit, quota in by_unit.items()
        }
    )


def _operations(services: IdentityServices, described: OpenApi) -> Iterator[Operation]:
    yield from described.operations()
    yield from identity_operations(services)
    yield from ledger_operations(services.db, services.clock)
    yield from EventRoutes(services.db, services.clock).operations()
