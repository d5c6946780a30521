"""What docs/how-to/let-tenants-ask.md tells people to type, typed: against a running meterr."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from meterr.core.postgres import EmbeddedPostgres
from support.asking import CANARY, AskingHouse, asking_house
from support.reference import ROOT

PAGE = ROOT / "docs/how-to/let-tenants-ask.md"
MODEL = "gpt-4o-mini"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
_SETTINGS = f"""
[query]
model = "{MODEL}"
"""
_FIRST_ID = """'import json, sys; print(json.load(sys.stdin)["items"][0]["question_id"])'"""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[AskingHouse]:
    """A running meterr that asks the simulator for SQL."""
    with asking_house(postgres, _SETTINGS) as house:
        yield house


def typed(house: AskingHouse, block: str) -> "subprocess.CompletedProcess[str]":
    """Run a block of the page as it stands, but for addresses and an id."""
    own, python = house.api.house, sys.executable
    meterr = f'meterr() {{ "{python}" -m meterr "$@"; }}\n'
    listed = f"$(meterr query list --tenant acme --json | {python} -c {_FIRST_ID})"
    text = block.replace("http://127.0.0.1:8080", own.base_url).replace("QUESTION_ID", listed)
    text = text.replace("postgresql://postgres@db/meterr", shlex.quote(own.admin_dsn))
    told = {
        "METERR_QUERY__MODEL": MODEL,
        "METERR_QUERY__GATEWAY_URL": own.base_url,
        "NO_PROXY": "*",
    }
    return subprocess.run(
        ["bash", "-euc", meterr + text],
        env={**own.environment, **told},
        cwd=own.data_dir,
        capture_output=True,
        text=True,
        check=False,
    )


def block_with(part: str) -> str:
    (found,) = (block for block in BLOCKS if part in block)
    return found


@needs_curl
def test_the_calls_of_the_page_are_answered(house: AskingHouse) -> None:
    """Issue 5.7: a key with the scope, SQL by one call, and a question back by the other."""
    answered = typed(house, block_with("curl")).stdout
    assert CANARY not in answered
    assert '"rows":[["own-model","0.700000000000000000"]]' in answered
    assert '"ask":' in answered


@pytest.mark.parametrize("block", [each for each in BLOCKS if "curl" not in each])
def test_the_commands_of_the_page_run(house: AskingHouse, block: str) -> None:
    """Issue 5.7: asking in SQL and in words, keeping a question, setting up the walls."""
    ended = typed(house, block)
    assert (0, "") == (ended.returncode, ended.stderr if ended.returncode else "")
    assert CANARY not in ended.stdout
