"""``meterr events``: what happened, for whoever guards this installation."""

import json

import pytest

from support.command_line import CommandLine


@pytest.fixture(scope="module", autouse=True)
def things(meterr: CommandLine) -> None:
    """Two tenants, a key in each, and a price."""
    for name in ("acme", "globex"):
        meterr.ok("tenant", "create", name)
        meterr.ok("key", "create", "--tenant", name, "--name", "prod")
    meterr.ok("user", "create", "ada@example.com", "--super-admin")


def test_events_of_all_tenants_and_of_the_installation_newest_first(meterr: CommandLine) -> None:
    """The operator sees everything, and nobody else the installation's."""
    items = meterr.ok("events", "--json").items
    assert ["member.invited", "key.created", "tenant.created", "key.created", "tenant.created"] == [
        item["kind"] for item in items
    ]
    assert [None, "globex", "globex", "acme", "acme"] == [item["tenant"] for item in items]
    assert {"operator"} == {item["actor"]["kind"] for item in items}
    assert "ada@example.com" not in json.dumps(items)


def test_a_kind_a_tenant_and_a_time_choose(meterr: CommandLine) -> None:
    """A subject is all its kinds; a word that is neither is an error with the way out."""
    for arguments, n in (
        (("--kind", "key"), 2),
        (("--kind", "key.created", "--kind", "tenant"), 4),
        (("--kind", "key", "--tenant", "acme"), 1),
        (("--since", "2099-01-01"), 0),
        (("--limit", "1"), 1),
    ):
        assert n == len(meterr.ok("events", *arguments, "--json").items), arguments
    wrong = meterr("events", "--kind", "nothing")
    assert 0 != wrong.status
    assert "Subjects: " in wrong.err


def test_people_and_pipes_see_a_line_each(meterr: CommandLine) -> None:
    """Actor, target and detail in one column each."""
    out = meterr.ok("events", "--tenant", "acme", "--kind", "key").out
    assert "key.created" in out
    assert "operator" in out
