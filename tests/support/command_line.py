"""The command line as a script uses it: arguments and environment in, status and output back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from meterr.cli import main

PEPPER = "b39e732051f52d35e6920c6821491dca51dff8c28aa917bd120b0f0014777fd1"


@dataclass(frozen=True, slots=True)
class Result:
    """What a script sees."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def items(self) -> list[dict[str, Any]]:
        return list(self.json["items"])

    @property
    def rows(self) -> list[list[str]]:
        """The lines of standard output, split at tabs."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``meterr`` with nothing in its environment but what is named here."""

    environment: Mapping[str, str]
    folder: Path

    def __call__(self, *arguments: str, **variables: str) -> Result:
        """Run the program's own ``main`` in this process: the same code, a second sooner."""
        out, err = StringIO(), StringIO()
        with (
            _world(arguments, {**self.environment, **variables}, self.folder),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                return Result(int(ended.code or 0), out.getvalue(), err.getvalue())
        raise AssertionError("main returned without an exit status")

    def ok(self, *arguments: str, **variables: str) -> Result:
        """Run a command that must succeed."""
        result = self(*arguments, **variables)
        assert 0 == result.status, result
        return result

    @contextmanager
    def process(self, *arguments: str, **options: Any) -> "Iterator[subprocess.Popen[str]]":
        """Run ``python -m meterr`` as a process; it is killed if it outlives the block."""
        with subprocess.Popen(
            [sys.executable, "-m", "meterr", *arguments],
            env=dict(self.environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def _world(
    arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
) -> Iterator[None]:
    kept = (sys.argv, dict(os.environ), Path.cwd())
    sys.argv = ["meterr", *arguments]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        sys.argv = kept[0]
        os.environ.clear()
        os.environ.update(kept[1])
        os.chdir(kept[2])
