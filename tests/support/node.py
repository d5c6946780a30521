"""Programs for Node in ``tests/clients/node``: with the packages that ``./dev test`` installs."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parents[1] / "clients" / "node"


def run_node(program: str, told: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Return what ``program`` writes, having read ``told``; without Node, skip (in CI: fail)."""
    node = shutil.which("node")
    if node is None or not (CLIENTS / "node_modules").is_dir():
        reason = "needs node, and its packages: ./dev test installs them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    ended = subprocess.run(
        [node, program],
        cwd=CLIENTS,
        env={"PATH": os.environ["PATH"], **(environment or {})},
        input=told,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == ended.returncode, ended.stderr
    return ended.stdout
