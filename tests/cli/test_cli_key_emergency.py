"""``meterr key rotate-all``: what would go wrong is told before any key has ended."""

import pytest

from support.command_line import PEPPER, CommandLine

OTHER_PEPPER = "c7e1b09a45d2f86331aa7e0d9c54b2f86e10d3975bc8426fa19be0c7d5432f18"
WHY = ("--reason", "drill")


@pytest.fixture
def tenant(meterr: CommandLine, request: pytest.FixtureRequest) -> str:
    """A tenant with one key, named after the test."""
    name = request.node.name
    meterr.ok("tenant", "create", name)
    meterr.ok("key", "create", "--name", "k", "--tenant", name)
    return name


def states(meterr: CommandLine, tenant: str) -> list[str]:
    items = meterr.ok("key", "list", "--tenant", tenant, "--json").items
    return [each["state"] for each in items]


@pytest.mark.parametrize("valid", ["90d", "1m"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_life_that_codes_cannot_have_is_told_before_every_key_has_ended(
    meterr: CommandLine, tenant: str, valid: str, more: tuple[str, ...]
) -> None:
    """Issue 4.3: exit 2 means that nothing was done; the dry run says what the real one would."""
    refused = meterr("key", "rotate-all", "--tenant", tenant, *WHY, "--valid", valid, *more)

    assert (2, True) == (refused.status, "valid is 5 minutes to 30 days" in refused.err)
    assert ["active"] == states(meterr, tenant)


@pytest.mark.parametrize("pepper", ["x" * 64, OTHER_PEPPER], ids=["weak", "another"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_host_that_can_make_no_codes_for_the_gateways_ends_no_key(
    meterr: CommandLine, tenant: str, pepper: str, more: tuple[str, ...]
) -> None:
    """S1:405-414: every successor collectable: not by a code under a pepper that nobody has."""
    refused = meterr("key", "rotate-all", "--tenant", tenant, *WHY, *more, METERR_KEY_PEPPER=pepper)

    assert (2, "") == (refused.status, refused.out)
    assert "pepper" in refused.err
    assert pepper not in refused.err
    assert ["active"] == states(meterr, tenant)


def test_a_host_without_the_pepper_ends_the_keys_when_told_to_make_no_codes(
    meterr: CommandLine, tenant: str
) -> None:
    """In an emergency the keys end first, from anywhere; who has the pepper makes the codes."""
    command = ("key", "rotate-all", "--tenant", tenant, *WHY, "--no-codes", "--json")

    done = meterr.ok(*command, METERR_KEY_PEPPER="x" * 64)

    assert [(tenant, 1)] == [(each["tenant"], each["keys"]) for each in done.items]
    assert ["revoked"] == states(meterr, tenant)
    codes = ("key", "codes", "--tenant", tenant, "--emergency", done.json["emergency_id"], *WHY)
    (code,) = meterr.ok(*codes, "--json").items
    meterr.ok("key", "claim", code["code"])
    assert ["active", "revoked"] == states(meterr, tenant)


def test_nothing_is_made_under_a_pepper_that_no_gateway_of_this_database_has(
    meterr: CommandLine, tenant: str
) -> None:
    """The next start of every gateway would be refused for such a key: whoever makes it is told."""
    (old,) = meterr.ok("key", "list", "--tenant", tenant, "--json").items
    wrong = {"METERR_KEY_PEPPER": OTHER_PEPPER}
    struck = ("key", "rotate-all", "--tenant", tenant, "--grace", "1h", *WHY, "--json")
    (code,) = meterr.ok(*struck).items
    commands = (
        ("create", "--name", "k2", "--tenant", tenant),
        ("rotate", old["key_id"], "--tenant", tenant, *WHY),
        ("codes", "--tenant", tenant, "--due", *WHY),
        ("claim", code["code"]),
    )
    for command in commands:
        refused = meterr("key", *command, **wrong)
        assert (2, "") == (refused.status, refused.out), command
        assert "the gateways of this database have another pepper" in refused.err

    assert ["active"] == states(meterr, tenant)
    both = {"METERR_KEY_PEPPER": OTHER_PEPPER, "METERR_KEY_PEPPER_PREVIOUS": PEPPER}
    (made,) = meterr.ok("key", "create", "--name", "k2", "--tenant", tenant, "--json", **both).items
    meterr.ok("key", "revoke", made["key_id"], "--tenant", tenant)


def test_asking_twice_says_that_the_codes_of_the_first_time_are_over(
    meterr: CommandLine, tenant: str
) -> None:
    """A lost terminal is answered with the same command; what was handed out is void then."""
    command = ("key", "rotate-all", "--tenant", tenant, *WHY, "--json")
    (first,) = meterr.ok(*command).items

    dry = meterr.ok(*command, "--dry-run")
    again = meterr.ok(*command)

    assert [{"tenant": tenant, "keys": 0, "codes": 1}] == dry.items
    assert (0, 1) == (dry.json["keys"], dry.json["codes"])
    assert "1 open codes from before would be over" in dry.err
    assert "1 open codes from before are over" in again.err
    assert [] == again.items
    assert 1 == meterr("key", "claim", first["code"]).status
