"""``meterr source``: a tenant's own database, from its address to an answer."""

import os
from collections.abc import Iterator

import psycopg
import pytest

from meterr.core.crypto import mint
from meterr.core.postgres import EmbeddedPostgres
from support.command_line import CommandLine
from support.rows import insert
from support.shop import ACME, PASSWORD, Shop, open_shop

WORDS = """
[[relations]]
schema = "shop"
name = "orders"
columns = [{ name = "status", kind = "text", values = ["paid", "shipped"] }]
"""


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres) -> Iterator[Shop]:
    with open_shop(postgres) as opened:
        yield opened


@pytest.fixture(scope="module")
def operator(meterr: CommandLine, admin: str) -> CommandLine:
    """An operator who has keys, and who says that loopback is theirs."""
    with psycopg.connect(admin) as connection:
        insert(connection, "tenant", {"tenant_id": ACME, "name": "acme"})
    named = {
        "METERR_KEY_ENCRYPTION_KEY": mint("k1", os.urandom).text(),
        "METERR_OUTBOUND__ALLOW": "127.0.0.1",
    }
    return CommandLine({**meterr.environment, **named}, meterr.folder)


def test_a_source_is_added_protected_asked_checked_and_removed(
    operator: CommandLine, shop: Shop
) -> None:
    """Issue 5, item 3b: the whole way; no password on a command line and none in an answer."""
    address = operator.folder / "shop.url"
    address.write_text(shop.url().get_secret_value())
    of = ("--tenant", "acme")
    column = ("--tenant-column", "tenant_id", "--tenant-value", ACME)

    added = operator(
        "source", "add", "shop", *of, "--url-file", str(address), "--table", "shop.orders", *column
    )
    listed = operator("source", "list", *of, "--json").items
    early = operator("ask", *of, "--source", "shop", "--sql", "select 1 from orders")
    refused = operator("source", "protect", "shop", *of, "--apply", "--json")
    keep = ("--keep-role", shop.owner, "--keep-role", shop.app)
    shown = operator("source", "protect", "shop", *of, *keep)
    done = operator("source", "protect", "shop", *of, *keep, "--apply", "--json")
    asked = operator(
        "ask", *of, "--source", "shop", "--sql", "select count(*) from orders", "--json"
    )
    words = operator.folder / "shop.toml"
    words.write_text(WORDS)
    told = operator("source", "words", "shop", *of, "--file", str(words))
    words.write_text("relations = 1")
    wrong = operator("source", "words", "shop", *of, "--file", str(words))
    checked = operator("source", "check", "shop", *of)
    after = operator("source", "list", *of, "--json").items
    removed = operator("source", "remove", "shop", *of)

    assert (0, ["not protected"]) == (added.status, [item["state"] for item in listed])
    assert (1, 3) == (early.status, refused.status)
    assert {"would lose rows"} == {item["kind"] for item in refused.items}
    assert (0, True) == (shown.status, "force row level security;" in shown.err)
    assert (0, True, []) == (done.status, done.json["applied"], done.items)
    assert done.json["tried"] > 10
    assert [[600]] == asked.json["rows"]
    assert (0, True) == (told.status, "values a model sees: 1" in told.err)
    assert (2, True) == (wrong.status, "cannot be read" in wrong.err)
    assert (0, "B", "protected") == (checked.status, after[0]["mode"], after[0]["state"])
    assert (0, True) == (removed.status, "drop role ms_" in removed.err)
    said = "".join(each.out + each.err for each in (added, early, refused, shown, done, asked))
    assert PASSWORD not in said
    assert PASSWORD.replace(" ", "%20") not in said
    assert "SCRAM" not in said
    assert "ms_" not in asked.out + asked.err


def test_a_source_that_is_not_there_is_told_with_those_that_are(operator: CommandLine) -> None:
    """The way out of a slip."""
    found = operator("ask", "--tenant", "acme", "--source", "shopp", "--sql", "select 1")
    assert (1, True) == (found.status, "there are: usage" in found.err)
