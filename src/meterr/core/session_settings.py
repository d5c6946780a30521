"""The settings of sessions, a group of core/settings.py."""

from typing import Self

from pydantic import Field, model_validator

from meterr.core.settings_group import Group


class SessionSettings(Group):
    """How long people stay signed in."""

    access_s: int = Field(
        300, ge=60, le=900, description="Seconds an access token lasts; then it is renewed unseen."
    )
    idle_s: int = Field(
        3600,
        ge=300,
        le=30 * 86400,
        description="Seconds after which an unused session is over; more than `access_s`.",
    )
    absolute_s: int = Field(
        86400,
        ge=900,
        le=90 * 86400,
        description="Seconds after which any session is over, used or not.",
    )
    per_person_max: int = Field(
        20, ge=1, le=100, description="Sessions of one person; a further one ends the oldest."
    )

    signing_key_s: int = Field(
        30 * 86400,
        ge=86400,
        le=365 * 86400,
        description="Seconds after which another key signs access tokens. Nobody notices.",
    )

    @model_validator(mode="after")
    def _lasts_longer_than_a_token(self) -> Self:
        if not self.access_s < self.idle_s <= self.absolute_s:
            raise ValueError("access_s, idle_s and absolute_s: each longer than the one before")
        return self
