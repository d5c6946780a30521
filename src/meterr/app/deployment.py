"""One host's meterr: database, drain and children, started in order and stopped in reverse."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from meterr.app.child import Instructions, Part, exposed, for_gateway
from meterr.app.draining import drain_until, report_failure
from meterr.app.gateway_process import journal_root, keyring
from meterr.app.key_upkeep import keep_policies, refuse_unknown_peppers
from meterr.app.notices import keep_notices
from meterr.app.rollups import keep_rollups
from meterr.app.smells import open_reports
from meterr.app.supervisor import Child, ChildPlan
from meterr.app.turns import Seat, Turns
from meterr.core.clock import SystemClock
from meterr.core.errors import OperatorError
from meterr.core.events import SYSTEM, Reporter
from meterr.core.migrate import SchemaMismatch
from meterr.core.postgres import EmbeddedPostgres, EmbeddedPostgresError
from meterr.core.settings import Settings
from meterr.core.telemetry import Event, EventLine, Level, Telemetry

_POSTGRES_LOOK_S = 0.2
_DRAIN_RESTART_S = 1.0
_READY_TIMEOUT_S = 60.0

GATEWAY = "gateway"
"""What log lines about gateway processes call them, however many there are."""

CALL_LOG = "simulator/calls.jsonl"
"""Where the simulator keeps its log, below the data directory."""


class NotReady(OperatorError):
    """The gateway did not come up; its own log lines above say why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What runs on this host.

    The sockets listen already, so an address that cannot be had is known before anything starts.
    ``embedded`` is None when somebody else runs PostgreSQL; ``simulator``, when providers are real.
    What ``reporter`` counted, before and while it runs, is written.
    """

    settings: Settings
    dsn: str
    gateway: socket.socket
    embedded: EmbeddedPostgres | None = None
    simulator: socket.socket | None = None
    reporter: Reporter = field(default_factory=Reporter)


class Deployment:
    """Run a plan until a signal says stop."""

    def __init__(self, plan: Plan, telemetry: Telemetry) -> None:
        self._plan = plan
        self._telemetry = telemetry
        self._stop = asyncio.Event()
        self._stop_drain = asyncio.Event()
        self._children: list[Child] = []
        self._failure: BaseException | None = None
        workers = plan.settings.server.workers
        self._turns = Turns.make(workers) if workers > 1 else None

    async def run(self, on_ready: Callable[[int], Awaitable[None]]) -> None:
        """
        Start everything, await ``on_ready`` with the gateway's port, and stay until told to stop.

        Raises:
            NotReady: the gateway did not come up.
            PepperRefused: keys are stored under a pepper that is not configured.
            SchemaMismatch: the database has another schema than this code.
        """
        plan, telemetry = self._plan, self._telemetry
        async with open_reports(plan.dsn, SystemClock(), telemetry, plan.reporter):
            await self._run(on_ready)

    async def _run(self, on_ready: Callable[[int], Awaitable[None]]) -> None:
        plan = self._plan
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        await refuse_unknown_peppers(plan.dsn, keyring(plan.settings))
        self._children = [Child(each, self._telemetry) for each in self._child_plans()]
        running = [asyncio.create_task(child.run()) for child in self._children]
        draining = asyncio.create_task(self._drain())
        with SYSTEM.acts():  # whoever started it: what a schedule does, meterr does
            rolling, policies, mailing = self._keepers()
        watching = asyncio.create_task(self._watch_postgres(plan.embedded))
        try:
            await self._until_ready()
            if not self._stop.is_set():
                await on_ready(plan.gateway.getsockname()[1])
            await self._stop.wait()
        finally:
            await self._stop_children()
            self._stop_drain.set()
            await draining
            rolling.cancel()  # an hour half rolled up is rolled back, and still due
            policies.cancel()
            mailing.cancel()
            watching.cancel()
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            if self._turns is not None:
                self._turns.close()
        if self._failure is not None:
            raise self._failure

    def _keepers(self) -> tuple[asyncio.Task[None], asyncio.Task[None], asyncio.Task[None]]:
        stop, telemetry, settings = self._stop, self._telemetry, self._plan.settings
        return (
            asyncio.create_task(keep_rollups(stop, self._dsn, settings, telemetry)),
            asyncio.create_task(keep_policies(stop, self._dsn, SystemClock(), telemetry)),
            asyncio.create_task(keep_notices(stop, self._dsn, settings, telemetry)),
        )

    def _dsn(self) -> str:
        return self._plan.dsn

    def _child_plans(self) -> Sequence[ChildPlan]:
        """Return the children in starting order; the gateways are last."""
        plan = self._plan
        settings = plan.settings
        plans = []
        if plan.simulator is not None:
            log = settings.data_dir / CALL_LOG
            log.parent.mkdir(parents=True, exist_ok=True)
            instructions = Instructions(
                part=Part.SIMULATOR, socket=plan.simulator.fileno(), call_log=str(log)
            )
            plans.append(ChildPlan("simulator", plan.simulator, instructions))
        return [*plans, *self._gateway_plans()]

    def _gateway_plans(self) -> Iterator[ChildPlan]:
        plan = self._plan
        workers, turns = plan.settings.server.workers, self._turns
        instructions = Instructions(
            part=Part.GATEWAY,
            socket=plan.gateway.fileno(),
            turns=-1 if turns is None else turns.descriptor,
            workers=workers,
            dsn=plan.dsn,
            settings=exposed(for_gateway(plan.settings)),
        )
        for slot in range(workers):
            told = msgspec.structs.replace(instructions, slot=slot)
            seat = None if turns is None else Seat(turns, slot)
            yield ChildPlan(GATEWAY, plan.gateway, told, seat)

    async def _stop_children(self) -> None:
        """Let the gateways finish side by side; the provider that they call goes after them."""
        grace_s = self._plan.settings.server.stop_timeout_s
        gateways = [child for child in self._children if child.name == GATEWAY]
        others = [child for child in self._children if child.name != GATEWAY]
        for group in (gateways, others):
            await asyncio.gather(*(child.stop(grace_s) for child in group))

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(self._all_ready())
        stopped = asyncio.create_task(self._stop.wait())
        done, waiting = await asyncio.wait(
            {stopped, ready}, timeout=_READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        if not done:
            raise NotReady("meterr did not come up. The log lines above say why.")

    async def _all_ready(self) -> bool:
        # One that served may have died while the others came up.
        while not all(child.ready.is_set() for child in self._children):
            for child in self._children:
                await child.ready.wait()
        return True

    async def _drain(self) -> None:
        root = journal_root(self._plan.settings.data_dir)
        while not self._stop_drain.is_set():
            try:
                await drain_until(self._stop_drain, root, lambda: self._plan.dsn, self._telemetry)
                return
            except SchemaMismatch as error:
                self._failure = error
                self._stop.set()
                return
            # The journal keeps everything, so a drain that failed is simply begun again.
            except Exception as error:  # noqa: BLE001
                report_failure(self._telemetry, error)
                await asyncio.sleep(_DRAIN_RESTART_S)

    async def _watch_postgres(self, embedded: EmbeddedPostgres | None) -> None:
        # In this thread on purpose: the kernel ends the server with the thread that started it.
        while embedded is not None:
            await asyncio.sleep(_POSTGRES_LOOK_S)
            try:
                restarted = embedded.ensure_running()
            except EmbeddedPostgresError as error:
                self._telemetry.event(
                    Level.ERROR, EventLine(event=Event.POSTGRES_DIED, message=error.detail)
                )
                continue
            if restarted:
                self._telemetry.event(Level.WARNING, EventLine(event=Event.POSTGRES_DIED))


def database_url_file(data_dir: Path) -> Path:
    """Return where a running embedded database leaves its address for the command line."""
    return data_dir / "database-url"
