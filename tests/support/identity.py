"""The driver of the identity tests: one tenant, and processes that authenticate its keys."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.identity import Authenticator, Keyring, Outage, create_key, create_tenant, list_keys
from meterr.identity.errors import KeyUnverifiable
from meterr.identity.model import KeyRecord, NewKey
from meterr.identity.rotation import Asker, Handover, Rotated, collect, issue_codes, rotate_key
from meterr.identity.trust import Standing
from meterr.identity.uses import Diary, DiaryKeeper
from support import identity_process

PATIENCE_S = 20.0
OPERATOR = Asker("ops", "spring clean")


class ShiftedClock(SystemClock):
    """The machine's clocks, with a calendar that tests may move."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def unix_ms(self) -> int:
        return super().unix_ms() + self.ahead_ms


class House:
    """A migrated database with one tenant in it, and the key material of the installation."""

    def __init__(self, dsn: str, db: Database) -> None:
        self.dsn = dsn
        self.db = db
        self.clock = ShiftedClock()
        self.ids = IdFactory(self.clock)
        self.pepper = SecretStr(secrets.token_hex(32))
        self.keyring = Keyring.from_secrets(self.pepper)
        self.tenant_id = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str) -> AsyncIterator[Self]:
        async with Database.open(dsn, Role.APP) as db:
            house = cls(dsn, db)
            house.tenant_id = (await create_tenant(db, house.ids, "acme")).tenant_id
            yield house

    async def key(self, **terms: object) -> NewKey:
        """Create a key of the tenant that may do everything, but for ``terms``."""
        wanted: dict[str, object] = {"name": "test", "scopes": ["chat"], **terms}
        return await create_key(
            self.db,
            self.keyring,
            self.ids,
            self.clock,
            self.tenant_id,
            **wanted,  # type: ignore[arg-type]  # tests pass the service's own keyword arguments
        )

    @asynccontextmanager
    async def process(
        self,
        *,
        keyring: Keyring | None = None,
        on_outage: Outage = Outage.SERVE_WARM,
        listening: bool = True,
        diary: Diary | None = None,
        db: Database | None = None,
    ) -> AsyncIterator[Authenticator]:
        """Yield what one gateway process has: connections, a memory and a listener of its own."""
        async with AsyncExitStack() as stack:
            db = db or await stack.enter_async_context(Database.open(self.dsn, Role.AUTH))
            authenticator = Authenticator(
                db,
                self.dsn,
                keyring or self.keyring,
                self.clock,
                on_outage=on_outage,
                diary=diary,
            )
            if listening:
                running = asyncio.create_task(authenticator.run())
                stack.push_async_callback(_stop, running)
                await until(lambda: authenticator.state is Standing.LIVE)
            yield authenticator

    @asynccontextmanager
    async def operating_system_process(
        self, key: NewKey
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Yield another process that has ``key`` in its memory; see ``identity_process``."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            identity_process.__name__,
            cwd=Path(identity_process.__file__).parents[1],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            told = {
                "dsn": self.dsn,
                "pepper": self.pepper.get_secret_value(),
                "key": key.secret.reveal(),
            }
            assert process.stdin is not None
            process.stdin.write(json.dumps(told).encode() + b"\n")
            assert "live" == await said(process)
            yield process
            async with asyncio.timeout(PATIENCE_S):
                assert 0 == await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def rotate(
        self, key_id: str, *, grace: timedelta = timedelta(days=7), **terms: object
    ) -> Rotated:
        """Rotate a key of the tenant."""
        wanted: dict[str, object] = {"asker": OPERATOR, "keyring": self.keyring, **terms}
        return await rotate_key(
            self.db,
            ids=self.ids,
            clock=self.clock,
            tenant_id=self.tenant_id,
            key_id=key_id,
            grace=grace,
            **wanted,  # type: ignore[arg-type]  # tests pass the service's own keyword arguments
        )

    async def codes(self, emergency_id: str | None = None, **terms: object) -> list[Handover]:
        """Make codes for all keys of the tenant that await a successor."""
        wanted: dict[str, object] = {"asker": OPERATOR, **terms}
        pages = issue_codes(
            self.db,
            self.keyring,
            self.ids,
            self.clock,
            self.tenant_id,
            emergency_id=emergency_id,
            **wanted,  # type: ignore[arg-type]  # tests pass the service's own keyword arguments
        )
        return [each async for page in pages for each in page]

    async def collect(self, code: str) -> Rotated:
        """Hand in a code."""
        return await collect(self.db, self.keyring, self.clock, code)

    async def record(self, key_id: str) -> KeyRecord:
        """Return a key as it is stored now."""
        found = (await list_keys(self.db, self.tenant_id, limit=200)).keys
        return next(each for each in found if each.key_id == key_id)

    def keeper(self, diary: Diary, keyring: Keyring | None = None) -> DiaryKeeper:
        """Return who writes a process's diary down."""

        def tell(trouble: str) -> None:
            raise AssertionError(trouble)

        return DiaryKeeper(self.db, keyring or self.keyring, diary, self.clock, tell)


async def said(process: asyncio.subprocess.Process) -> str:
    """Return the next line that a process says."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that must happen; fail after a time no healthy machine needs."""
    async with asyncio.timeout(PATIENCE_S):
        # What is waited for happens in PostgreSQL or in another process: there is no event.
        while not happened():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.002)


async def outcome(authenticating: Awaitable[object]) -> object:
    """Return the Principal, or the error that came instead of it."""
    try:
        return await authenticating
    # Whatever came instead of a Principal is what the tests judge.
    except Exception as error:  # noqa: BLE001 - returned, not swallowed
        return error


def is_retry_later(answer: object) -> bool:
    """Return whether the answer is a 503 that says when to come back."""
    return (
        isinstance(answer, KeyUnverifiable)
        and answer.status == 503
        and (answer.retry_after_s or 0) >= 1
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
