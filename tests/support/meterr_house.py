"""The one driver of end-to-end tests: real processes, real sockets, the simulator as provider."""

import asyncio
import json
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import psycopg
from psycopg.rows import dict_row

from meterr import identity
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.principal import Scope, UnknownPrice
from meterr.identity.keyring import Pepper

PEPPER = "defb3701a12c0d48306577883cd6f928905128de414f6353bdfeb2aba159afb7"
PROVIDER_SECRET = "sk-provider-secret-canary-7d1f"
_READY_S = 60
_ENTRIES = """
    select e.*, e.id::text as id, e.key_id::text as key_id
      from meterr.ledger_entry e order by e.at, e.id
"""


@dataclass
class Process:
    """A process of ours with its standard error read along."""

    popen: Popen[str]
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None  # ends when no process holds the pipe any more

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of ``pattern`` in its standard error; fail when it ends first."""
        seen = 0
        reached = threading.Event()
        timer = threading.Timer(_READY_S, reached.set)
        timer.start()
        try:
            while not reached.is_set():
                ended = self.popen.poll() is not None
                for line in self.lines[seen:]:
                    seen += 1
                    if found := re.search(pattern, line):
                        return found
                if ended:
                    break
                reached.wait(0.01)
        finally:
            timer.cancel()
        raise AssertionError(f"{pattern!r} never came:\n" + "\n".join(self.lines[-40:]))


def start(arguments: list[str], env: Mapping[str, str]) -> Process:
    """Start ``python -m meterr`` with ``arguments``."""
    popen = Popen(
        [sys.executable, "-m", "meterr", *arguments], stderr=PIPE, text=True, env=dict(env)
    )
    process = Process(popen)

    def read() -> None:
        assert popen.stderr is not None
        for line in popen.stderr:
            process.lines.append(line.rstrip())

    process.reader = threading.Thread(target=read, daemon=True)
    process.reader.start()
    return process


def stop(process: Process) -> None:
    """Ask it to stop; kill it when it does not within half a minute."""
    process.popen.send_signal(signal.SIGINT)
    try:
        process.popen.wait(30)
    finally:
        process.popen.kill()
        process.popen.wait()
        if process.reader is not None:
            process.reader.join(30)
        if process.popen.stderr is not None:
            process.popen.stderr.close()


@dataclass
class House:
    """A running meterr with one tenant and one key, the simulator behind it, and its database."""

    base_url: str
    simulator_url: str
    key: str
    key_id: str
    tenant_id: str
    database_url: str
    admin_dsn: str
    data_dir: Path
    call_log: Path
    meterr: Process
    simulator: Process
    environment: Mapping[str, str]

    def serve_again(self) -> None:
        """Start ``meterr serve`` on the same data, once the last one and its children ended."""
        stop(self.meterr)
        self.meterr = start(["serve"], self.environment)
        self.base_url = self.meterr.wait_for(r"ready at (http://[^ ]*\d)")[1]

    @property
    def gateway_pid(self) -> int:
        """Process id of the gateway that serves now."""
        started = [line for line in self.meterr.lines if '"event":"process_started"' in line]
        return int(json.loads(started[-1])["pid"])

    @property
    def gateway_pids(self) -> list[int]:
        """Process ids of all gateways that serve now, in the order of their starts."""
        pids: list[int] = []
        for line in self.meterr.lines[:]:
            if '"event":"process_started"' in line:
                pids.append(json.loads(line)["pid"])
            elif '"event":"process_died"' in line and json.loads(line)["pid"] in pids:
                pids.remove(json.loads(line)["pid"])
        return pids

    def kill_gateway(self) -> None:
        """End the gateway process with ``kill -9``; its parent starts the next one."""
        pid = self.gateway_pid
        os.kill(pid, signal.SIGKILL)

    def wait_for_restart(self, killed: int) -> None:
        """Wait until another gateway than ``killed`` says that it serves."""
        self.until(lambda: self.gateway_pid != killed)

    def entries(self) -> list[dict[str, Any]]:
        """Return every ledger entry, as superuser: the tests' own view beside all walls."""
        with psycopg.connect(self.admin_dsn, row_factory=dict_row) as connection:
            return connection.execute(_ENTRIES).fetchall()

    def received(self) -> list[dict[str, Any]]:
        """Return the simulator's own record of calls it received: the independent witness."""
        lines = self.call_log.read_text().splitlines() if self.call_log.exists() else []
        return [each for each in map(json.loads, lines) if each["event"] == "received"]

    def drained(self, count: int) -> list[dict[str, Any]]:
        """Wait until at least ``count`` entries are in the database; return all."""
        self.until(lambda: len(self.entries()) >= count)
        return self.entries()

    def is_opened(self, key_id: str) -> bool:
        """Say whether the journal holds an opened call of this key that was not drained."""
        lines = b"\n".join(path.read_bytes() for path in (self.data_dir / "journal").glob("*-*/*"))
        return any(key_id.encode() in line and b'"opened"' in line for line in lines.split(b"\n"))

    def until(self, happened: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait for ``happened``; fail with the log's tail when it never does."""
        given_up = threading.Event()
        timer = threading.Timer(timeout_s, given_up.set)
        timer.start()
        try:
            while not happened():
                assert not given_up.wait(0.02), "\n".join(self.meterr.lines[-40:])
        finally:
            timer.cancel()

    def new_key(self, **terms: Any) -> str:
        """Create another key of the same tenant; return its secret."""
        return self.new_key_with_id(**terms)[0]

    def new_key_with_id(self, **terms: Any) -> tuple[str, str]:
        """Create another key of the same tenant; return its secret and its id."""
        return asyncio.run(_new_key(self.database_url, self.tenant_id, **terms))

    def look(self, path: str) -> tuple[int, Any]:
        """GET a JSON document of the gateway without a key, whatever its status."""
        url = self.base_url + path
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, json.load(answer)

    def get(self, path: str) -> Any:
        """GET a JSON document of the gateway without a key; its status must be 200."""
        status, document = self.look(path)
        assert status == 200, document
        return document


@contextmanager
def open_house(
    database_url: str,
    admin_dsn: str,
    data_dir: Path,
    *,
    config: str = "",
    upstream_url: str | None = None,
    openai_settings: str = "",
    unknown_price: UnknownPrice = UnknownPrice.REFUSE,
    further: Mapping[str, str] | None = None,
) -> Iterator[House]:
    """
    Start simulator and ``meterr serve`` on a migrated database.

    ``config`` is further TOML for meterr.toml, before the upstreams. ``upstream_url`` replaces the
    simulator as the provider of every model. ``openai_settings`` is TOML for that upstream.
    ``further`` are environment variables.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(data_dir),
        "METERR_DATABASE_URL": database_url,
        "METERR_KEY_PEPPER": PEPPER,
        "METERR_DATA_DIR": str(data_dir),
        "METERR_SERVER__PORT": "0",
        "METERR_SERVER__ALLOWED_HOSTS": "m,meterr",
        "METERR_CONFIG": str(data_dir / "meterr.toml"),
        "TEST_PROVIDER_KEY": PROVIDER_SECRET,
        **(further or {}),
    }
    tenant_id = asyncio.run(_new_tenant(database_url, unknown_price))
    key, key_id = asyncio.run(_new_key(database_url, tenant_id))
    call_log = data_dir / "calls.jsonl"
    with ExitStack() as stack:
        simulator = start(["simulator", "--port", "0", "--call-log", str(call_log)], environment)
        stack.callback(stop, simulator)
        simulator_url = simulator.wait_for(r"(http://[^ ]*\d)")[1]
        (data_dir / "meterr.toml").write_text(
            config + _upstreams(upstream_url or simulator_url, openai_settings)
        )
        house = House(
            base_url="",
            simulator_url=simulator_url,
            key=key,
            key_id=key_id,
            tenant_id=tenant_id,
            database_url=database_url,
            admin_dsn=admin_dsn,
            data_dir=data_dir,
            call_log=call_log,
            meterr=start(["serve"], environment),
            simulator=simulator,
            environment=environment,
        )
        stack.callback(lambda: stop(house.simulator))
        stack.callback(lambda: stop(house.meterr))
        house.base_url = house.meterr.wait_for(r"ready at (http://[^ ]*\d)")[1]
        yield house


def _upstreams(url: str, openai_settings: str) -> str:
    return f"""
[upstreams.openai]
provider = "openai"
openai_base_url = "{url}/v1"
models = ["gpt-*", "o3*", "text-embedding-*", "unpriced-*"]
credential_env = ["TEST_PROVIDER_KEY"]
{openai_settings}

[upstreams.anthropic]
provider = "anthropic"
anthropic_base_url = "{url}"
models = ["claude-*"]
credential_env = ["TEST_PROVIDER_KEY"]

[upstreams.moonshot]
provider = "moonshotai"
openai_base_url = "{url}/v1"
anthropic_base_url = "{url}/anthropic"
models = ["kimi-*"]
credential_env = ["TEST_PROVIDER_KEY"]
"""


async def _new_tenant(database_url: str, unknown_price: UnknownPrice) -> str:
    async with Database.open(database_url, Role.APP) as db:
        ids = IdFactory(SystemClock())
        tenant = await identity.create_tenant(db, ids, "acme", unknown_price=unknown_price)
        return tenant.tenant_id


async def _new_key(database_url: str, tenant_id: str, **terms: Any) -> tuple[str, str]:
    clock = SystemClock()
    keyring = identity.Keyring(Pepper(PEPPER.encode(), origin="test"))
    terms = {"name": "test", "scopes": [scope.value for scope in Scope], **terms}
    async with Database.open(database_url, Role.APP) as db:
        made = await identity.create_key(db, keyring, IdFactory(clock), clock, tenant_id, **terms)
    return made.secret.presented.decode(), made.record.key_id
