"""The settings of reports about leaked keys, a group of core/settings.py."""

from pydantic import Field, field_validator

from meterr.core.settings_group import Group


class LeakSettings(Group):
    """Who may report leaked keys to `POST /v1/leaks`."""

    public_keys_url: str | None = Field(
        None,
        description="Address of the reporter's public keys, e.g. "
        "`https://api.github.com/meta/public_keys/secret_scanning`. Reports that none of them "
        "signed are refused. Default: no reports are taken.",
    )

    @field_validator("public_keys_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("should be a URL")
        return url
