"""Settings: what people see of them holds no secret."""

import pytest

from meterr.core.configuration import ConfigurationError, explained, load

UPSTREAM = {
    "upstreams.x.provider": "openai",
    "upstreams.x.models": ("gpt-*",),
    "upstreams.x.credential": "sk-provider-canary",
}


def shown(url: str) -> str:
    """Return what ``meterr config show`` says of a base URL."""
    flags = {**UPSTREAM, "upstreams.x.openai_base_url": url}
    found = {name: value for name, value, _ in explained(load(flags, {"HOME": "/"}, None))}
    assert "sk-provider-canary" not in str(found)
    return found["upstreams.x.openai_base_url"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/v1", "https://host/v1"),
        ("https://user:hunter2@host/v1", "https://********@host/v1"),
        ("https://host/v1?key=hunter2", "https://host/v1?********"),
    ],
)
def test_a_secret_inside_an_address_is_masked(url: str, expected: str) -> None:
    """P6: a refused address is just what somebody pastes into a ticket."""
    assert expected == shown(url)


@pytest.mark.parametrize(
    "name", ["METERR_OUTPUT", "METERR_SERVER__PROT", "METERR_UPSTREAMS__X__UR"]
)
def test_a_variable_that_nothing_reads_is_refused(name: str) -> None:
    """Issue 2, bad input: unknown settings are refused."""
    with pytest.raises(ConfigurationError, match=name):
        load({}, {name: "1"}, None)
