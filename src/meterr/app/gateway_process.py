"""One gateway process: its resources opened in order, its routes, and the server around them."""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from meterr import gateway, identity, ledger
from meterr.app import api_routes, encryption
from meterr.app.child import Instructions
from meterr.app.health import Health
from meterr.app.http_server import serve
from meterr.app.price_overrides import PriceKeeper
from meterr.app.smells import Smells, open_reports
from meterr.app.stored_credentials import CredentialKeeper
from meterr.app.turns import Seat, Turns
from meterr.app.upkeep import running, tell_failure
from meterr.app.upstream_limits import UpstreamLimits
from meterr.app.upstreams import MutableEndpoints, meanings, open_endpoints, router
from meterr.core.clock import Clock, SystemClock
from meterr.core.crypto import DataKeys
from meterr.core.db import Database, Role
from meterr.core.events import Reporter
from meterr.core.http.door import Door
from meterr.core.http.route import Route
from meterr.core.http.web import Web
from meterr.core.ids import IdFactory
from meterr.core.masking import Masker
from meterr.core.redaction import Redactor
from meterr.core.secrets.setting import secrets_of
from meterr.core.settings import Settings
from meterr.core.telemetry import Level, LibraryHandler, Telemetry
from meterr.identity.uses import Diary, DiaryKeeper
from meterr.ledger.journal import Durability, Limits
from meterr.ledger.limits import Limiter, OnOutage

JOURNAL_FOLDER = "journal"
PEPPER_FILE = "pepper"

_PRICES_WAIT_S = 2.0
"""Longest wait for a database that says nothing at all before serving without prices."""

_PSEUDONYMS = b"meterr pseudonyms in logs"
"""What the pepper is asked for the key of pseudonyms: hosts that share it have the same ones."""

_LOG_FROM_STATUS = {"all": 0, "errors": 400, "none": 1000}


def keyring(settings: Settings) -> identity.Keyring:
    """Return the peppers from the settings, or from the file that ``meterr up`` made."""
    if settings.key_pepper is not None:
        return identity.Keyring.from_secrets(
            settings.key_pepper, settings.key_pepper_previous, settings.key_pepper_next
        )
    file = settings.data_dir / PEPPER_FILE
    if not file.exists():
        raise identity.PepperRefused(
            f"no pepper: set METERR_KEY_PEPPER or METERR_KEY_PEPPER_FILE (the same on every host), "
            f"or let 'meterr up' make {file}"
        )
    return identity.Keyring.open(file)


async def run_gateway(instructions: Instructions, settings: Settings) -> None:
    """Serve until the parent goes or says stop; then finish what runs and close the journal."""
    _raise_file_limit()
    loop = asyncio.get_running_loop()
    known = [instructions.dsn, *(each.get_secret_value() for each in secrets_of(settings))]
    telemetry = Telemetry(
        SystemClock(),
        level=Level(settings.log.level),
        pid=os.getpid(),
        defer=loop.call_soon,
        redactor=Redactor(known, Masker(keyring(settings).current.mac(_PSEUDONYMS))),
    )
    logging.basicConfig(handlers=[LibraryHandler(telemetry)], force=True)
    port = _port_of(instructions.socket)
    async with open_door(settings, instructions.dsn, telemetry, port=port) as door:
        head = Web(settings.server).usual_head
        await serve(door, settings.server, instructions.socket, _seat(instructions), head)
    telemetry.flush()


def _port_of(listener: int) -> int | None:
    with socket.socket(fileno=os.dup(listener)) as mine:
        return mine.getsockname()[1]  # type: ignore[no-any-return]  # of a TCP socket, an int


def _seat(told: Instructions) -> Seat | None:
    return Seat(Turns(told.turns, told.workers), told.slot) if told.workers > 1 else None


@asynccontextmanager
async def open_door(
    settings: Settings,
    dsn: str,
    telemetry: Telemetry,
    *,
    further: Mapping[str, Route] | None = None,
    port: int | None = None,
) -> AsyncIterator[Door]:
    """
    Yield the gateway as one ASGI application; everything it holds closes with the block.

    ``further`` routes are served, too; ``port`` is where, if it is known. Raises RouteUndeclared,
    before anything is served, when any route is not in the policy registry.
    """
    clock = SystemClock()
    ids = IdFactory(clock)
    peppers = keyring(settings)
    async with AsyncExitStack() as stack:
        # The first to open is the last to close: what the others say at their end is written.
        reporter = await stack.enter_async_context(open_reports(dsn, clock, telemetry))
        exact, below, authenticator = await stack.enter_async_context(
            _model_routes(settings, dsn, telemetry, peppers, clock, ids, reporter)
        )
        own = (settings, dsn, peppers, clock, ids, reporter, telemetry, authenticator, port)
        api = await stack.enter_async_context(api_routes.open_api(*own))
        exact = {**exact, **(further or {})}
        api_routes.check_policy(exact, below, api)
        yield Door(
            exact={**exact, **api_routes.exact(settings, api)},
            below={**below, **api_routes.below(settings, api)},
            web=Web(settings.server),
            dialect=gateway.render,
            ids=ids,
            telemetry=telemetry,
            log_from_status=_LOG_FROM_STATUS[settings.log.requests],
            report=Smells(reporter),
        )


@asynccontextmanager
async def _model_routes(
    settings: Settings,
    dsn: str,
    telemetry: Telemetry,
    peppers: identity.Keyring,
    clock: SystemClock,
    ids: IdFactory,
    reporter: Reporter,
) -> AsyncIterator[tuple[Mapping[str, Route], Mapping[str, Route], identity.Authenticator]]:
    """Yield the routes for keys and probes, by full path and by prefix, and who knows the keys."""
    async with AsyncExitStack() as stack:
        db_auth = await stack.enter_async_context(Database.open(dsn, Role.AUTH))
        db_app = await stack.enter_async_context(Database.open(dsn, Role.APP, pool_size_max=2))
        journal = _open_journal(settings, clock, ids)
        stack.callback(journal.close)
        prices = ledger.PriceBook.bundled()
        keeper = PriceKeeper(db_app, prices, meanings(settings.upstreams), telemetry)
        diary = Diary()
        outage = identity.Outage(settings.keys_without_database)
        authenticator = identity.Authenticator(
            db_auth, dsn, peppers, clock, on_outage=outage, diary=diary
        )
        tell = partial(tell_failure, telemetry, "uses of keys")
        uses = DiaryKeeper(db_app, peppers, diary, clock, tell)
        db_limits = await stack.enter_async_context(Database.open(dsn, Role.APP))
        limiter = Limiter(db_limits, journal.path.name, clock, on_outage=OnOutage.REFUSE)
        upstream_limits = UpstreamLimits(db_app, settings.upstreams, telemetry)
        further = (limiter.run(), upstream_limits.run(), uses.run())
        await stack.enter_async_context(
            running(keeper.repeating.run(), authenticator.run(), *further)
        )
        # Callers wait in the socket's queue meanwhile: better than a 503 for each after a restart.
        await keeper.repeating.tried_once(_PRICES_WAIT_S)
        endpoints, withheld = await stack.enter_async_context(
            _endpoints(settings, db_app, clock, telemetry, reporter)
        )
        routes = router(settings.upstreams)
        admission = gateway.Admission(
            routes, prices, prices_loaded=keeper.loaded.is_set, withheld=withheld
        )
        holding = gateway.Holding(limiter, prices, upstream_limits=upstream_limits.limits)
        surfaces = {
            surface: gateway.MeteredSurface(
                surface,
                authenticator=authenticator,
                admission=admission,
                endpoints=endpoints,
                books=gateway.Books(journal, prices, monotonic=clock.monotonic),
                holding=holding,
                limits=gateway.Limits(settings.server, settings.gateway),
            )
            for surface in gateway.SURFACES
        }
        models = gateway.Models(authenticator, routes, prices)
        health = Health(authenticator, keeper, journal, limiter)
        exact = {**gateway.exact_routes(surfaces, models), **health.routes()}
        yield exact, gateway.routes_below(models), authenticator


@asynccontextmanager
async def _endpoints(
    settings: Settings, db: Database, clock: Clock, telemetry: Telemetry, reporter: Reporter
) -> AsyncIterator[tuple[MutableEndpoints, Collection[str]]]:
    """Yield the endpoints, and the upstreams whose credential is not known right now."""
    keys = encryption.configured(settings)
    data_keys = None if keys is None else DataKeys(keys, clock)
    opened = open_endpoints(settings.upstreams, settings.gateway, settings.outbound)
    async with opened as endpoints:
        keeper = CredentialKeeper(db, data_keys, settings.upstreams, endpoints, telemetry, reporter)
        async with running(keeper.repeating.run()):
            await keeper.repeating.tried_once(_PRICES_WAIT_S)
            yield endpoints, keeper.withheld


def journal_root(data_dir: Path) -> Path:
    """Return the folder that all gateway processes of this host keep their journals in."""
    return data_dir / JOURNAL_FOLDER


def _open_journal(settings: Settings, clock: SystemClock, ids: IdFactory) -> ledger.Journal:
    wanted = settings.journal
    return ledger.Journal.open(
        journal_root(settings.data_dir),
        clock=clock,
        ids=ids,
        limits=Limits(segment_bytes=wanted.segment_bytes, total_bytes_max=wanted.total_bytes_max),
        durability=Durability(wanted.durability),
    )


def _raise_file_limit() -> None:
    """Take as many connections as the system allows; the soft limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
