"""The settings of questions, a group of core/settings.py."""

from pydantic import Field, field_validator

from meterr.core.http.origin import is_address, is_loopback, parsed_origin
from meterr.core.secrets.setting import SecretSetting
from meterr.core.settings_group import Group


class QuerySettings(Group):
    """What one question of a tenant may take."""

    timeout_s: float = Field(
        15, ge=0.1, le=300, description="Seconds a question may run in the database."
    )
    rows_max: int = Field(10_000, ge=1, le=1_000_000, description="Rows of one answer.")
    bytes_max: int = Field(
        8 * 1024 * 1024,
        ge=64 * 1024,
        le=256 * 1024 * 1024,
        description="Bytes of one answer as PostgreSQL sends it. What is read of JSON takes up to "
        "twenty times as much memory here, until it has been sent on.",
    )
    cost_max: float = Field(
        5_000_000,
        gt=0,
        description="What PostgreSQL's planner may expect a question to cost, in its own unit "
        "(about one page read in order).",
    )
    at_once_max: int = Field(
        2,
        ge=1,
        le=4,
        description="Questions of one tenant that one process runs at the same time. A tenant's "
        "login has 8 connections over all processes.",
    )
    at_once_everybody: int = Field(
        16,
        ge=1,
        le=1000,
        description="Questions of all tenants that one process runs at the same time. Each is a "
        "connection to PostgreSQL, beside those that meterr has for everything else.",
    )
    session_kept_s: float = Field(
        30,
        ge=0,
        le=300,
        description="Seconds for which a tenant's connection waits for its next question, one for "
        "each tenant and at most 8 in each process, none for longer than five minutes.",
    )
    per_minute: int = Field(
        30,
        ge=1,
        le=100_000,
        description="Questions that one person, or one API key, may ask over HTTP in a minute; all "
        "processes together.",
    )
    at_once_per_person: int = Field(
        2,
        ge=1,
        le=64,
        description="Questions that one person, or one API key, may have open at the same time, "
        "in all processes together, those that wait for a model included.",
    )
    model: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Model that turns plain language into SQL, by its name at this gateway, e.g. "
        "`gpt-5-mini`. Default: none, and questions are asked in SQL.",
    )
    gateway_url: str | None = Field(
        None,
        description="Address at which this gateway is asked for that model: https, or http on this "
        "machine. Default: where it listens on this machine, by `server.host` and `server.port`.",
    )
    reader_url: SecretSetting | None = Field(
        None,
        description="Only where no roles can be made: one login for all tenants' questions, a "
        "member of `meterr_reader` and of nothing else, as a URL or a reference.",
    )

    @field_validator("gateway_url")
    @classmethod
    def _keeps_a_key_secret(cls, url: str | None) -> str | None:
        if url is None:
            return None
        origin = parsed_origin(url.rstrip("/"))
        if origin.scheme != "https" and not (is_address(origin.host) and is_loopback(origin.host)):
            raise ValueError("a key is sent there: use https, or http://127.0.0.1")
        return origin.text
