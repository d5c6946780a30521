"""The settings of security events and of notices by mail, groups of core/settings.py."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from meterr.core.secrets.setting import SecretSetting
from meterr.core.settings_group import Group

_ADDRESS = re.compile(r"[^\s<>@,;:\"()\[\]\\]+@[^\s<>@,;:\"()\[\]\\]+")


class EventSettings(Group):
    """How long security events are kept."""

    retention_days: int | None = Field(
        400,
        ge=180,
        description="Days that security events are kept; none keeps them all. At least 180.",
    )


class NotifySettings(Group):
    """How people are told by mail of events that concern them."""

    smtp_url: SecretSetting | None = Field(
        None,
        description="Mail server: `smtps://user:password@host` (port 465) or "
        "`smtp://user:password@host` (port 587, STARTTLS), or a reference. Default: notices are in "
        "the API only.",
    )
    sender: str | None = Field(
        None, description="Address that mail comes from, e.g. `meterr@example.com`."
    )
    ca_file: Path | None = Field(
        None, description="Certificates to trust for the mail server instead of the system's."
    )

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, sender: str | None) -> str | None:
        if sender is not None and _ADDRESS.fullmatch(sender) is None:
            raise ValueError("should be one mail address without a name, e.g. meterr@example.com")
        return sender

    @model_validator(mode="after")
    def _says_who_sends(self) -> Self:
        if self.smtp_url is not None and self.sender is None:
            raise ValueError("smtp_url needs sender, the address that mail comes from")
        return self
