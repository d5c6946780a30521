"""The setting ``outbound.allow``: read like every list, refused like every mistake."""

from pathlib import Path

import pytest

from meterr.core.configuration import ConfigurationError, load


def test_a_list_comes_from_the_file_or_comma_separated_from_the_environment(tmp_path: Path) -> None:
    """S3.2: the same list by both ways."""
    expected = ("vault.internal:8200", "10.0.0.0/8")
    file = tmp_path / "meterr.toml"
    file.write_text('[outbound]\nallow = ["vault.internal:8200", "10.0.0.0/8"]\n')
    listed = {"HOME": "/", "METERR_OUTBOUND__ALLOW": "vault.internal:8200, 10.0.0.0/8"}
    assert expected == load({}, {"HOME": "/"}, file).settings.outbound.allow
    assert expected == load({}, listed, None).settings.outbound.allow


@pytest.mark.parametrize("entry", ["*", "10.0.0.5/24", "http://a", "0x7f.1", "a:b"])
def test_a_mistake_names_the_setting_and_the_entry(entry: str) -> None:
    """Issue 2, bad input: refused early, with what was meant to be there."""
    with pytest.raises(ConfigurationError, match=r"outbound\.allow") as refused:
        load({"outbound.allow": (entry,)}, {"HOME": "/"}, None)
    assert entry in str(refused.value)
