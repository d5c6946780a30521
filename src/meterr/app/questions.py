"""Questions about tenants' data, composed from the settings: for whatever process answers them."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Protocol

from meterr import identity
from meterr.app import encryption
from meterr.app.own_address import own_address
from meterr.app.sources import with_own_databases
from meterr.core.clock import Clock
from meterr.core.crypto import DataKeys
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.query.answers import Answers, Models
from meterr.query.run import IdleSessions, Limits, LoginSessions, TokenSessions
from meterr.query.sources import SourceOpener, UsageSources
from meterr.query.walls import TenantLogins, Tokens


@dataclass(frozen=True, slots=True)
class Questions:
    """What answers questions, and what they can be about. ``db`` acts as ``Role.APP``."""

    answers: Answers
    sources: SourceOpener
    db: Database


class _Closing(Models, Protocol):
    async def close(self) -> None:
        """Give back what was made for it."""


def limits(settings: Settings) -> Limits:
    """Return what one question may take."""
    query = settings.query
    return Limits(
        timeout_s=query.timeout_s,
        cost_max=query.cost_max,
        rows_max=query.rows_max,
        bytes_max=query.bytes_max,
        at_once_max=query.at_once_max,
        everybody_max=query.at_once_everybody,
    )


@asynccontextmanager
async def open_questions(
    settings: Settings,
    dsn: str,
    keyring: Callable[[], identity.Keyring],
    clock: Clock,
    ids: IdFactory,
    *,
    port: int | None = None,
) -> AsyncIterator[Questions]:
    """
    Yield them for the block. Keys that were made for the model are revoked at its end.

    ``keyring`` is asked where there is a model, ``port`` is where this gateway listens. Raises
    KeyMissing when logins could not be kept, ConfigurationError as ``own_address`` does.
    """
    held = limits(settings)
    idle = IdleSessions(settings.query.session_kept_s)
    async with Database.open(dsn, Role.APP) as db:
        usage = UsageSources(db, _sessions(settings, dsn, db, clock, held, idle), held)
        sources = with_own_databases(settings, db, usage, held)
        models = None
        if settings.query.model is not None:
            # By name: its HTTP client takes memory that a process without a model is to be spared.
            opened: Callable[..., _Closing] = resolve_name(
                "meterr.app.question_model:QuestionModels"
            )
            models = opened(
                db,
                keyring(),
                ids,
                clock,
                gateway_url=own_address(settings, port),
                model=settings.query.model,
            )
        try:
            at_once, timeout_s = settings.query.at_once_per_person, settings.query.timeout_s
            answers = Answers(sources, models, db, clock, at_once, timeout_s)
            yield Questions(answers, sources, db)
        finally:
            idle.close()
            if models is not None:
                await models.close()


def _sessions(
    settings: Settings, dsn: str, db: Database, clock: Clock, held: Limits, idle: IdleSessions
) -> LoginSessions | TokenSessions:
    if settings.query.reader_url is not None:
        return TokenSessions(settings.query.reader_url.get_secret_value(), Tokens(db), held)
    data_keys = DataKeys(encryption.required(settings), clock)
    return LoginSessions(dsn, TenantLogins(db, data_keys, os.urandom), held, idle)
