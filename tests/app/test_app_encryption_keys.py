"""Key-encryption keys by reference: where they may be kept, and how open that place may be."""

from pathlib import Path

import pytest

from meterr.app.encryption import configured
from meterr.app.secret_settings import with_reader
from meterr.core.configuration import load
from meterr.core.crypto import KeyRefused
from meterr.core.settings import Settings
from support.sealed import new_key
from support.vault_stub import TOKEN, vault


def read(tmp_path: Path, reference: str, mode: int = 0o600, **environ: str) -> Settings:
    """Return the settings of a configuration file with ``reference`` as the key."""
    file = tmp_path / "meterr.toml"
    file.write_text(f'key_encryption_key = "{reference}"\n')
    file.chmod(mode)
    environment = {"HOME": str(tmp_path), **environ}
    return with_reader(load({}, environment, file).settings, environment)


def name_of_key(settings: Settings) -> str:
    keys = configured(settings)
    assert keys is not None
    return keys.current.kid


def test_a_configuration_file_that_says_where_the_key_is_may_be_open(tmp_path: Path) -> None:
    """A reference is no secret; the file that it leads to is one."""
    kept = tmp_path / "key"
    kept.write_text(new_key("k1").text())
    kept.chmod(0o600)
    assert "k1" == name_of_key(read(tmp_path, f"file:{kept}", mode=0o644))

    kept.chmod(0o644)
    with pytest.raises(KeyRefused, match="chmod 0400"):
        configured(read(tmp_path, f"file:{kept}"))


def test_a_key_in_an_open_configuration_file_is_refused_however_it_is_written(
    tmp_path: Path,
) -> None:
    """S1:418: ``plain:`` is the key itself, not a place."""
    with pytest.raises(KeyRefused, match="key_encryption_key"):
        read(tmp_path, f"plain:{new_key('k1').text()}", mode=0o644)


def test_a_key_may_be_kept_in_vault(tmp_path: Path) -> None:
    """Issue 4, item 6: from the environment, a file, or a backend of secrets."""
    with vault() as stub:
        stub.secrets["secret/data/meterr"] = ({"kek": new_key("k7").text()}, 1)
        settings = read(
            tmp_path,
            "vault:secret/data/meterr#kek",
            VAULT_ADDR=stub.address,
            VAULT_TOKEN=TOKEN,
        )
        assert "k7" == name_of_key(settings)
