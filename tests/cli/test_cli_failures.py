"""What meterr says when it cannot even start."""

import subprocess
import sys
from pathlib import Path

_WITHOUT = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *of: None if name == {name!r} else found(name, *of)
from meterr.cli import main
sys.argv = ["meterr", "up", "--data-dir", {folder!r}]
main()
"""


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    """An error says what is missing, in one line, and nothing is started or made."""
    folder = tmp_path / "data"
    program = _WITHOUT.format(name="postgast", folder=str(folder))
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (1, "meterr: incomplete installation: no postgast\n") == (ran.returncode, ran.stderr)
    assert not folder.exists()
