"""How a setting says where its secret is kept, and how it says that it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.configuration import ConfigurationError, explained, load
from meterr.core.errors import OperatorError
from meterr.core.secrets import Reference, Scheme
from meterr.core.secrets.setting import PlainText, SecretSetting, bind, secrets_of

CANARY = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "scheme", "place", "field"),
    [
        ("env:OPENAI_API_KEY", Scheme.ENV, "OPENAI_API_KEY", ""),
        ("file:/run/secrets/openai key", Scheme.FILE, "/run/secrets/openai key", ""),
        ("file:/run/a#b", Scheme.FILE, "/run/a#b", ""),
        ("vault:secret/data/meterr#openai", Scheme.VAULT, "secret/data/meterr", "openai"),
        ("vault:team/kv/data/prod/meterr#a.b", Scheme.VAULT, "team/kv/data/prod/meterr", "a.b"),
        ("aws:prod/meterr", Scheme.AWS, "prod/meterr", ""),
        ("aws:prod/meterr#openai", Scheme.AWS, "prod/meterr", "openai"),
        (
            "aws:arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterr-AbCdEf#openai",
            Scheme.AWS,
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:meterr-AbCdEf",
            "openai",
        ),
    ],
)
def test_a_reference_is_read_and_written_alike(
    text: str, scheme: Scheme, place: str, field: str
) -> None:
    """Issue 4, item 7: one syntax wherever settings take a secret."""
    reference = Reference.parse(text)
    assert Reference(scheme, place, field) == reference
    assert text == str(reference)


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-0123456789",
        "postgresql://u:p@h/d?sslmode=verify-full",
        "postgres://h/d",
        "host=h password='a:b'",
        "service=meterr",
        "0123456789abcdef:0123",
        "xoxb-1:2",
        "a" * 21 + ":b",
        "",
        ":",
    ],
)
def test_a_secret_is_no_reference(text: str) -> None:
    """A database's address and a provider's key stay what they were."""
    assert Reference.parse(text) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"valt:{CANARY}", "did you mean vault:"),
        (f"vualt:{CANARY}", "did you mean vault:"),
        (f"Vault:{CANARY}", "did you mean vault:"),
        (f"ENV:{CANARY}", "did you mean env:"),
        (f"envs:{CANARY}", "did you mean env:"),
        (f"flie:{CANARY}", "did you mean file:"),
        (f"awss:{CANARY}", "did you mean aws:"),
        (f"doppler:{CANARY}", "doppler run"),
        (f"gcp:{CANARY}", "plain:"),
        ("opensesame:x", "plain:"),
        (f"vault://{CANARY}", "vault:mount/data/path#field"),
        (f"valt://{CANARY}", "vault:mount/data/path#field"),
        (f"file://{CANARY}", "file:/absolute/path"),
        ("env:", "env:NAME"),
        (f"env:{CANARY}-x", "env:NAME"),
        (f"file:{CANARY}", "file:/absolute/path"),
        (f"vault:{CANARY}", "vault:mount"),
        ("vault:secret/data/meterr", "vault:mount"),
        ("vault:secret/data/meterr#", "vault:mount"),
        ("vault:secret/meterr#a", "vault:mount"),
        ("vault:secret/data/../sys#a", "vault:mount"),
        ("vault:secret/data/a/./b#c", "vault:mount"),
        ("vault:secret/data//b#c", "vault:mount"),
        ("vault:secret/data/a?version=1#c", "vault:mount"),
        ("vault:/data/a#c", "vault:mount"),
        ("aws:", "aws:name"),
        ("aws:a#", "aws:name"),
        ("aws:a b", "aws:name"),
        ("aws:a\nb", "aws:name"),
    ],
)
def test_what_looks_like_a_reference_and_is_none_is_refused_without_repeating_it(
    text: str, hint: str
) -> None:
    """P6, issue 2, bad input: a misspelled reference must not leave as a key for a provider."""
    with pytest.raises(ValueError, match=r"reference|secret|variables") as refused:
        Reference.parse(text)
    assert hint in str(refused.value)
    assert CANARY not in str(refused.value)
    assert "opensesame" not in str(refused.value)


@given(st.text())
def test_reading_a_setting_has_one_kind_of_failure(text: str) -> None:
    """Whatever is written there: a secret, a reference, or one clear refusal."""
    try:
        setting = SecretSetting.validated(text)
    except ValueError:
        return
    assert text not in repr(setting) or text == "" or set(text) <= set("SecretSetting('*')")


class TestInSettings:
    def load_credential(self, credential: str, **environ: str):
        flags = {
            "upstreams.x.provider": "openai",
            "upstreams.x.models": ("gpt-*",),
            "upstreams.x.openai_base_url": "https://h/v1",
            "upstreams.x.credential": credential,
        }
        return load(flags, {"HOME": "/", **environ}, None)

    def test_a_misspelled_scheme_names_the_setting_and_the_nearest_one(self) -> None:
        """Issue 2, bad input: unknown names are refused with the nearest valid one."""
        with pytest.raises(ConfigurationError) as refused:
            self.load_credential(f"valt:secret/data/m#{CANARY}")
        assert "upstreams.x.credential" in str(refused.value)
        assert "did you mean vault:" in str(refused.value)
        assert CANARY not in str(refused.value)

    def test_config_show_tells_the_reference_and_never_a_secret(self) -> None:
        """P6: where a secret is kept is no secret, and is what one looks for."""
        for written, shown in (
            ("vault:secret/data/m#openai", "vault:secret/data/m#openai"),
            (CANARY, "********"),
            (f"plain:vault:{CANARY}", "********"),
        ):
            found = {name: value for name, value, _ in explained(self.load_credential(written))}
            assert shown == found["upstreams.x.credential"]

    def test_a_reference_that_nobody_reads_is_no_secret(self) -> None:
        """P6: the text of a reference never goes out as a key."""
        credential = self.load_credential("env:X").settings.upstreams["x"].credential
        assert credential is not None
        with pytest.raises(OperatorError, match="env:X"):
            credential.get_secret_value()

    def test_plain_before_a_secret_makes_it_one(self) -> None:
        """The way out for a secret that begins like a reference."""
        credential = self.load_credential("plain:env:X").settings.upstreams["x"].credential
        assert credential is not None
        assert "env:X" == credential.get_secret_value()

    def test_the_content_of_a_file_is_the_secret_itself(self, tmp_path) -> None:
        """S2:22, `*_FILE`: what an orchestrator puts there is not interpreted."""
        file = tmp_path / "url"
        file.write_text("env:NAME\n")
        url = load({}, {"HOME": "/", "METERR_DATABASE_URL_FILE": str(file)}, None)
        assert url.settings.database_url is not None
        assert "env:NAME" == url.settings.database_url.get_secret_value()

    def test_a_bound_reference_is_read_under_its_settings_name(self) -> None:
        """Issue 4, item 7: the record says on whose behalf."""
        settings = self.load_credential("env:X", METERR_DATABASE_URL="file:/u").settings
        asked: list[tuple[str, str]] = []

        def read(reference: Reference, who: str) -> str:
            asked.append((str(reference), who))
            return "read"

        values = [each.get_secret_value() for each in secrets_of(bind(settings, read))]
        assert ["read", "read"] == values
        assert {("env:X", "upstreams.x.credential"), ("file:/u", "database_url")} == set(asked)

    @pytest.mark.parametrize("pepper", ["short", "plain:short"])
    def test_a_short_pepper_is_refused_early_and_a_short_reference_is_none(
        self, pepper: str
    ) -> None:
        """S2:22: refused at start, not at the first call."""
        with pytest.raises(ConfigurationError, match="32 characters"):
            load({"key_pepper": pepper}, {"HOME": "/"}, None)
        assert load({"key_pepper": "env:P"}, {"HOME": "/"}, None).settings.key_pepper

    def test_the_key_to_other_secrets_is_kept_here(self) -> None:
        """A token that is in the vault which it opens opens nothing."""
        with pytest.raises(ConfigurationError, match="must be here"):
            load({"secrets.vault_token": "vault:secret/data/m#token"}, {"HOME": "/"}, None)

    def test_vaults_own_variables_are_taken_where_no_setting_says_otherwise(self) -> None:
        """Whoever has VAULT_ADDR set for Vault's own tools need not say it again."""
        environ = {"HOME": "/", "VAULT_ADDR": "https://v:8200", "VAULT_TOKEN": "env:as-it-is"}
        found = load({"secrets.vault_address": "https://w:8200"}, environ, None)
        token = found.settings.secrets.vault_token
        assert "https://w:8200" == found.settings.secrets.vault_address
        assert token is not None
        assert "env:as-it-is" == token.get_secret_value()
        assert "environment (VAULT_TOKEN)" == found.sources["secrets.vault_token"]


def test_two_settings_are_equal_by_what_is_written() -> None:
    """Comparing settings reads no secret."""
    reference = SecretSetting.validated("env:X")
    assert reference == SecretSetting.validated("env:X").bound(lambda: CANARY)
    assert reference != SecretSetting.validated(PlainText("env:X"))
    assert len({reference, SecretSetting.validated("env:X")}) == 1
