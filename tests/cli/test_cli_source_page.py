"""What docs/how-to/ask-your-own-database.md tells people to type, typed, in its order."""

import os
import re
import shlex
from collections.abc import Iterator

import psycopg
import pytest

from meterr.core.crypto import mint
from meterr.core.postgres import EmbeddedPostgres
from support.command_line import CommandLine, Result
from support.reference import ROOT
from support.rows import insert
from support.shop import ACME, Shop, open_shop

PAGE = (ROOT / "docs/how-to/ask-your-own-database.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


COMMANDS = [
    shlex.split(line)
    for block in blocks("sh")
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip()
]


@pytest.fixture
def shop(postgres: EmbeddedPostgres) -> Iterator[Shop]:
    with open_shop(postgres) as opened:
        yield opened


@pytest.fixture
def operator(meterr: CommandLine, admin: str, shop: Shop) -> CommandLine:
    """An operator with the page's two files before them."""
    with psycopg.connect(admin) as connection:
        insert(connection, "tenant", {"tenant_id": ACME, "name": "acme"})
    (meterr.folder / "shop.url").write_text(shop.url().get_secret_value())
    (words,) = blocks("toml")
    (meterr.folder / "shop.toml").write_text(words)
    named = {
        "METERR_KEY_ENCRYPTION_KEY": mint("k1", os.urandom).text(),
        "METERR_OUTBOUND__ALLOW": "127.0.0.1",
    }
    return CommandLine({**meterr.environment, **named}, meterr.folder)


def test_every_command_of_the_page_works_in_its_order(operator: CommandLine, shop: Shop) -> None:
    """Issue 5: from the address to an answer, and to its end; only the roles are named anew."""
    roles = {"shop_owner": shop.owner, "shop_app": shop.app}
    done: dict[str, Result] = {}
    for program, *words in COMMANDS:
        assert "meterr" == program
        arguments = [roles.get(word, word) for word in words]
        name = " ".join(word for word in words[:2] if word.isalpha()) + " --apply" * (
            "--apply" in words
        )
        done[name] = operator.ok(*arguments)

    assert {
        "source add", "source protect", "source protect --apply", "ask", "source words",
        "source list", "source check", "source remove",
    } == done.keys()  # fmt: skip
    assert "force row level security" in done["source protect"].err
    assert {"DE", "FR"} <= {row[0] for row in done["ask"].rows}
    assert "protected" in done["source list"].out
    assert "drop role" in done["source remove"].err
