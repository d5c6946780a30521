"""Where results go when nobody takes them: a script can rely on the exit status."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("goes", "err"),
    [
        ("| true", "0"),
        ("> /dev/full", "meterr: No space left on device: \n1"),
        (">&-", "0"),
        ("<&- | cat", "0"),
    ],
)
@pytest.mark.parametrize("command", ["help exit-codes", "help environment", "--help"])
def test_the_exit_status_says_whether_the_result_was_written(
    command: str, goes: str, err: str
) -> None:
    """Issue 5.7: a reader that had enough is no failure, a full disk is one; no traceback."""
    shell = f'"$0" -m meterr {command} {goes}; echo ${{PIPESTATUS[0]}} >&2'
    ended = subprocess.run(
        ["bash", "-c", shell, sys.executable], capture_output=True, text=True, check=False
    )
    assert err == ended.stderr.strip()
