"""What the pages tell people to type, typed: against a running meterr."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import openai
import psycopg
import pytest

from support.conversation import CHAT, Conversation
from support.reference import ROOT

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_DOCUMENTED_URL = "http://127.0.0.1:8080"
_DOCUMENTED_KEY = "sk-meterr_live_…"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def blocks(page: str, language: str) -> list[str]:
    found = _BLOCK.finditer((ROOT / page).read_text())
    return [block["text"] for block in found if block["language"] == language]


def curls(talk: Conversation, page: str) -> list[str]:
    """Run each shell block of a page that only calls; return what it wrote."""
    calling = [b for b in blocks(page, "sh") if b.startswith("curl") and "kill" not in b]
    assert calling
    written = []
    for block in calling:
        command = block.replace(_DOCUMENTED_URL, talk.house.base_url)
        ended = subprocess.run(
            ["bash", "-euc", command],
            env={**talk.house.environment, "KEY": talk.house.key, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == ended.returncode, ended.stderr
        written.append(ended.stdout)
    return written


@needs_curl
def test_the_tutorial_shows_what_happens(meterr: Conversation) -> None:
    """Issue 2, item 1: its calls give the costs and refusals that it tells of."""
    plain, cached, refused = curls(meterr, "docs/tutorial/first-call.md")

    assert "x-meterr-cost-usd: 0.000065\n" in plain
    assert "You said: Hello" in plain
    assert "x-meterr-cost-usd: 0.00358\n" in cached
    assert "model_not_found" in refused
    assert "price-unknown" in refused


@needs_curl
@pytest.mark.parametrize("page", ["README.md", "docs/how-to/use-an-sdk.md"])
def test_the_calls_of_other_pages_are_answered(meterr: Conversation, page: str) -> None:
    """Issue 2, item 10: ready-to-paste lines."""
    for written in curls(meterr, page):
        assert "You said: Hello" in written


def test_the_readmes_python_makes_clients_that_work(meterr: Conversation, tmp_path: Path) -> None:
    """P8: the base URL and the key, nothing else."""
    file = tmp_path / "snippet.py"
    snippets = blocks("README.md", "python")
    assert 2 == len(snippets)
    for snippet in snippets:
        text = snippet.replace(_DOCUMENTED_URL, meterr.house.base_url)
        file.write_text(text.replace(_DOCUMENTED_KEY, meterr.house.key))
        with runpy.run_path(str(file))["client"] as client:
            named = "gpt-" if isinstance(client, openai.OpenAI) else "claude-"
            assert any(model.id.startswith(named) for model in client.models.list())


def test_the_commands_for_reading_the_ledger_run(meterr: Conversation) -> None:
    """Issue 2, item 10. All but the one that follows until it is stopped."""
    lines = [
        line
        for block in blocks("docs/how-to/read-the-ledger.md", "sh")
        for line in block.splitlines()
        if line.startswith("meterr ") and " -f" not in line
    ]
    assert len(lines) >= 6
    for line in lines:
        ended = subprocess.run(
            [sys.executable, "-m", *line.split()],
            env=meterr.house.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == ended.returncode, f"{line}: {ended.stderr}"


def test_the_sql_by_hand_shows_one_tenants_calls(meterr: Conversation) -> None:
    """P4: with the role and the tenant there are rows, by hand as well."""
    meterr.entry(meterr.post(CHAT, {"model": "gpt-4o-mini", "messages": []}))
    (sql,) = (b for b in blocks("docs/how-to/read-the-ledger.md", "sql") if "set role" in b)
    rows: list[tuple[object, ...]] = []
    with psycopg.connect(meterr.house.database_url, autocommit=True) as connection:
        tenant = meterr.house.tenant_id
        for statement in re.sub(r"'[0-9a-f-]{36}'", f"'{tenant}'", sql).split(";"):
            if statement.strip():
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if "sum(cost_usd)" in statement else rows
    assert "gpt-4o-mini" in {row[0] for row in rows}
