"""
Other gateways, each in an environment of its own under .peers: LiteLLM's proxy and Portkey's.

They get what a careful operator would give them: one worker, no database, no access log, a static
key. That is less work than meterr does per call: neither prices a call nor keeps a ledger here.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.contenders import Contender, free_port, running
from bench.machine import Cores, descendants
from bench.measure import say
from bench.tools import HERE, BenchError, Mock

PEERS = HERE / ".peers"
_KEY = "sk-bench-peers"
_PORTKEY = "@portkey-ai/gateway"
# With the server library that npm picks by itself (1.19) this gateway answers streams with 500
# ("immutable" headers). It is measured with the last one that it streams on.
_PORTKEY_PACKAGE = {
    "private": True,
    "dependencies": {_PORTKEY: "1.15.2"},
    "overrides": {"@hono/node-server": "1.13.8"},
}
_LITELLM = """\
model_list:
  - model_name: gpt-4o-mini
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-upstream
general_settings:
  master_key: {key}
"""


def _run(command: list[str | Path], cwd: Path) -> None:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchError(f"{command[0]} failed:\n{(ended.stderr or ended.stdout)[-2000:]}")


def _litellm_program() -> Path:
    folder = PEERS / "litellm"
    program = folder / "bin" / "litellm"
    if not program.exists():
        say("installing LiteLLM's proxy into bench/.peers/litellm (about 700 MB)")
        folder.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", folder], PEERS)
        _run([folder / "bin" / "python", "-m", "pip", "install", "-q", "litellm[proxy]"], PEERS)
    return program


def _portkey_program() -> Path:
    folder = PEERS / "portkey"
    program = folder / "node_modules" / _PORTKEY / "build" / "start-server.js"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise BenchError("Portkey's gateway needs Node and npm: apt install nodejs npm")
        say("installing Portkey's gateway into bench/.peers/portkey")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps(_PORTKEY_PACKAGE))
        _run([npm, "install", "--no-fund", "--no-audit"], folder)
    return program


@contextmanager
def _litellm(mock: Mock, cores: Cores, folder: Path) -> Iterator[Contender]:
    program = _litellm_program()
    configuration = folder / "litellm.yaml"
    configuration.write_text(_LITELLM.format(upstream=mock.port, key=_KEY))
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command = [*cores.pinned(cores.contender), str(program), "--config", str(configuration)]
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
    }
    with (
        (folder / "litellm.log").open("wb") as log,
        running([*command, *options], port, "litellm", env=environment, stdout=log, stderr=log) as (
            process,
            ready_s,
        ),
    ):
        yield Contender(
            "litellm",
            port,
            lambda: sorted(descendants(process.pid)),
            [f"authorization: Bearer {_KEY}"],
            transparent=False,
            ready_s=ready_s,
            version=_python_version(program.parent / "python"),
        )


@contextmanager
def _portkey(mock: Mock, cores: Cores, folder: Path) -> Iterator[Contender]:
    program = _portkey_program()
    port = free_port()
    node = shutil.which("node") or "node"
    command = [*cores.pinned(cores.contender), node, str(program), f"--port={port}", "--headless"]
    environment = {**os.environ, "NODE_ENV": "production"}
    with (
        (folder / "portkey.log").open("wb") as log,
        running(command, port, "portkey", env=environment, stdout=log, stderr=log) as (
            process,
            ready_s,
        ),
    ):
        yield Contender(
            "portkey",
            port,
            lambda: sorted(descendants(process.pid)),
            [
                f"authorization: Bearer {_KEY}",
                "x-portkey-provider: openai",
                f"x-portkey-custom-host: http://127.0.0.1:{mock.port}/v1",
            ],
            transparent=False,
            ready_s=ready_s,
            version=_node_version(program.parents[1]),
        )


def _python_version(python: Path) -> str:
    asks = "import importlib.metadata as m; print(m.version('litellm'))"
    return subprocess.run(
        [python, "-c", asks], capture_output=True, text=True, check=True
    ).stdout.strip()


def _node_version(package: Path) -> str:
    asks = f"console.log(require({str(package / 'package.json')!r}).version)"
    return subprocess.run(
        ["node", "-e", asks], capture_output=True, text=True, check=True
    ).stdout.strip()


@contextmanager
def peers(mock: Mock, cores: Cores, folder: Path) -> Iterator[list[Contender]]:
    """Yield both peers, running; installs what is missing."""
    PEERS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        yield [stack.enter_context(start(mock, cores, folder)) for start in (_litellm, _portkey)]
