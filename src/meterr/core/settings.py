"""
Settings: read once, frozen, refused early. The only file that may look at the environment.

Precedence: command-line flags, then ``METERR_*`` variables (and ``METERR_*_FILE``), then the
configuration file, then the defaults below. Unknown names are refused with the nearest valid one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from meterr.core.event_settings import EventSettings, NotifySettings
from meterr.core.http.outbound.allowlist import AllowList
from meterr.core.http.settings import ServerSettings
from meterr.core.leak_settings import LeakSettings
from meterr.core.query_settings import QuerySettings
from meterr.core.secrets.reference import Scheme
from meterr.core.secrets.setting import SecretSetting
from meterr.core.session_settings import SessionSettings
from meterr.core.settings_group import Group, Names

PEPPER_CHARS_MIN = 32
DatabaseTls = Literal["proven", "any"]


class JournalSettings(Group):
    """The local journal: what makes the ledger survive ``kill -9``."""

    durability: Literal["process", "power"] = Field(
        "process",
        description="`process`: a record survives any death of the process at once and a power cut "
        "after 10 ms. `power`: each call waits until its record is on the disk.",
    )
    segment_bytes: int = Field(
        8 * 1024 * 1024, ge=64 * 1024, description="Size of one journal segment file, in bytes."
    )
    total_bytes_max: int = Field(
        2 * 1024 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes the journal may reach while PostgreSQL is away; then calls get 503.",
    )


class LedgerSettings(Group):
    """What PostgreSQL keeps."""

    retention_days: int | None = Field(
        None,
        ge=62,
        description="Days that single entries are kept; sums stay for ever. Default: all are kept. "
        "At least 62: budgets and bills look back over this month and the last.",
    )


class GatewaySettings(Group):
    """How calls to providers behave."""

    connect_timeout_s: float = Field(
        5, gt=0, le=30, description="Seconds to open a provider connection, at most 30."
    )
    first_byte_timeout_s: float = Field(
        600, gt=0, description="Seconds a provider may take until the head of its answer."
    )
    idle_timeout_s: float = Field(
        120, gt=0, description="Seconds a provider may stay silent inside an answer."
    )
    answer_bytes_max: int = Field(
        128 * 1024 * 1024, ge=1024, description="Largest answer that is not a stream, in bytes."
    )
    on_client_gone: Literal["drain", "cancel"] = Field(
        "drain",
        description="When the client leaves: `drain` reads the provider's stream to its usage, "
        "`cancel` closes it and estimates.",
    )
    drain_timeout_s: float = Field(
        60, gt=0, description="Longest time to drain a stream whose client has left, in seconds."
    )


class OutboundSettings(Group):
    """Where meterr may connect to beyond the public internet."""

    allow: Names = Field(
        (),
        description="Hosts (`name`, `10.0.0.5:8000`) and networks (`10.0.0.0/8`) that meterr may "
        "connect to although they are private, and over plain http. Base URLs of upstreams need "
        "no entry to be private.",
    )

    @field_validator("allow")
    @classmethod
    def _is_hosts_and_networks(cls, allow: Names) -> Names:
        AllowList.parse(allow)
        return allow


class SecretsSettings(Group):
    """How references to secrets (`vault:...`, `aws:...`, `file:...`, `env:...`) are read."""

    cache_ttl_s: float = Field(
        300, gt=0, description="Seconds a secret is used before its place is asked again."
    )
    on_outage: Literal["refuse", "stale"] = Field(
        "refuse",
        description="When that time is up and the place does not answer: `refuse` has no secret, "
        "`stale` goes on with the old one.",
    )
    stale_s_max: float = Field(
        3600, gt=0, description="Greatest age of a secret under `stale`, in seconds."
    )
    timeout_s: float = Field(
        5,
        gt=0,
        description="Seconds that Vault or AWS may take for one whole answer, login included.",
    )
    vault_address: str | None = Field(
        None, description="Address of Vault, e.g. `https://vault.internal:8200`. Or `VAULT_ADDR`."
    )
    vault_namespace: str | None = Field(
        None, description="Namespace in Vault Enterprise. Or `VAULT_NAMESPACE`."
    )
    vault_token: SecretSetting | None = Field(
        None,
        description="Token for Vault: best `file:/path` of one that an agent renews. Or "
        "`VAULT_TOKEN`.",
    )
    vault_role_id: str | None = Field(
        None, description="Role id of an AppRole; meterr then logs in and needs no token."
    )
    vault_secret_id: SecretSetting | None = Field(
        None, description="Secret id of the AppRole, e.g. `file:/path`."
    )
    vault_ca_file: Path | None = Field(
        None, description="Certificates to trust for Vault instead of the usual. Or `VAULT_CACERT`."
    )
    aws_region: str | None = Field(
        None, description="Region of AWS Secrets Manager. Default: AWS's own configuration."
    )
    aws_endpoint_url: str | None = Field(
        None, description="Address of AWS Secrets Manager, for a private endpoint."
    )

    @field_validator("vault_token", "vault_secret_id")
    @classmethod
    def _is_here(cls, secret: SecretSetting | None) -> SecretSetting | None:
        here = (Scheme.ENV, Scheme.FILE)
        if secret is not None and secret.reference and secret.reference.scheme not in here:
            raise ValueError("the key to other secrets must be here: env:NAME or file:/path")
        return secret


class SignInSettings(Group):
    """How people sign in."""

    origin: str | None = Field(
        None,
        description="Address of meterr as people see it in their browser: scheme, host and port, "
        "e.g. `https://meterr.example.com`. Passkeys are made for it.",
    )
    rp_id: str | None = Field(
        None,
        description="Domain that passkeys belong to; cannot change later without losing them. "
        "Default: the host of `origin`.",
    )
    step_up_s: int = Field(
        600,
        ge=60,
        le=3600,
        description="Seconds for which a second factor is fresh enough for rotation and changes of "
        "people and roles.",
    )
    hashes_max: int = Field(
        2,
        ge=1,
        le=64,
        description="Passwords that one process hashes at the same time; each takes 64 MiB and a "
        "core for about 0.2 s.",
    )
    hashes_waiting_max: int = Field(
        32, ge=0, le=1000, description="Passwords that may wait for that; then sign-ins get 503."
    )


class LogSettings(Group):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level.")
    requests: Literal["all", "errors", "none"] = Field(
        "all",
        description="Which requests get their canonical line: all, only status >= 400, or none.",
    )


class UpstreamSettings(Group):
    """One provider endpoint; the dialects it has base URLs for decide which surfaces work."""

    provider: str = Field(
        description="Provider id in the price book (`openai`, `anthropic`, `moonshotai`, ...), or "
        "a name of your own with prices set by `meterr price set`.",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
    )
    openai_base_url: str | None = Field(
        None, description="Base URL of the OpenAI dialect, e.g. `https://api.openai.com/v1`."
    )
    anthropic_base_url: str | None = Field(
        None, description="Base URL of the Anthropic dialect, e.g. `https://api.anthropic.com`."
    )
    models: Names = Field(
        description="Models served here: names or patterns with `*`. The most specific one wins."
    )
    credential: SecretSetting | None = Field(
        None,
        description="The provider's API key, best as a reference: `vault:mount/data/path#field`, "
        "`aws:name#field`, `file:/path`, `env:NAME`.",
    )
    credential_env: Names = Field(
        (), description="Environment variables to take the provider's API key from; first set wins."
    )
    credential_file: Path | None = Field(
        None, description="File to take the provider's API key from."
    )
    concurrency_max: int | None = Field(
        None,
        ge=1,
        description="Most calls that run here at the same time, over all processes and hosts on "
        "one database; further ones get 429. Default: no limit.",
    )
    connections_max: int = Field(1024, ge=1, description="Most connections one process opens here.")
    ca_file: Path | None = Field(
        None, description="Certificates to trust instead of the system's, for a private endpoint."
    )

    @model_validator(mode="after")
    def _has_a_dialect(self) -> Self:
        if self.openai_base_url is None and self.anthropic_base_url is None:
            raise ValueError("set openai_base_url or anthropic_base_url")
        return self

    @field_validator("models")
    @classmethod
    def _names_a_model(cls, models: Names) -> Names:
        if not models or any(not name.strip() for name in models):
            raise ValueError("name at least one model or pattern, e.g. ['gpt-*']")
        return models


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "provider": "openai",
        "openai_base_url": "https://api.openai.com/v1",
        "models": ("gpt-*", "o1*", "o3*", "o4*", "chatgpt-*", "text-embedding-*", "codex-*"),
        "credential_env": ("OPENAI_API_KEY",),
    },
    "anthropic": {
        "provider": "anthropic",
        "anthropic_base_url": "https://api.anthropic.com",
        "models": ("claude-*",),
        "credential_env": ("ANTHROPIC_API_KEY",),
    },
    "moonshot": {
        "provider": "moonshotai",
        "openai_base_url": "https://api.moonshot.ai/v1",
        "anthropic_base_url": "https://api.moonshot.ai/anthropic",
        "models": ("kimi-*", "moonshot-*"),
        "credential_env": ("KIMI_API_KEY", "MOONSHOT_API_KEY"),
    },
}
"""Upstreams that exist as soon as their credential does, unless the file defines the same name."""


class Settings(Group):
    """Everything meterr can be told."""

    database_url: SecretSetting | None = Field(
        None, description="PostgreSQL to use instead of the embedded one: a URL or a reference."
    )
    database_admin_url: SecretSetting | None = Field(
        None,
        description="Login that may read every row (superuser or BYPASSRLS), as a URL or a "
        "reference, for `meterr db backup` and `restore`, for `meterr query harden` (a superuser) "
        "and nothing else. Not needed for the embedded server.",
    )
    database_tls: DatabaseTls = Field(
        "proven",
        description="`proven`: addresses of a database on another machine say "
        "`sslmode=verify-full`, so that no other server can answer in its place. `any`: they need "
        "not, for a network where nobody else can.",
    )
    postgres_bin: Path | None = Field(
        None, description="Folder with the programs of a PostgreSQL >= 15 for the embedded server."
    )
    data_dir: Path = Field(
        description="Folder for the journal, the embedded database and generated secrets. Default: "
        "`/var/lib/meterr` for root, else `$XDG_DATA_HOME/meterr` or `~/.local/share/meterr`.",
    )
    key_pepper: SecretSetting | None = Field(
        None,
        description="Secret that API keys are stored under, >= 32 characters, or a reference; "
        "every host needs the same. Default: a file in `data_dir`, made by `meterr up`.",
    )
    key_pepper_previous: SecretSetting | None = Field(
        None,
        description="The pepper before the last change; still accepted. Keys found under it move "
        "to the current one as they are used.",
    )
    key_pepper_next: SecretSetting | None = Field(
        None,
        description="The pepper to change to: accepted, and no key is stored under it yet. Set it "
        "on every host before the first host makes it `key_pepper`.",
    )
    key_encryption_key: SecretSetting | None = Field(
        None,
        description="Key that data keys are wrapped under, as `mk1.NAME.KEY` or a reference; make "
        "one with `meterr keyring new`. Every host needs the same one as soon as anything is "
        "stored encrypted. Default: a file in `data_dir`, made by `meterr up` for its own "
        "database.",
    )
    key_encryption_keys_previous: SecretSetting | None = Field(
        None,
        description="Key-encryption keys that may still be in use, apart by commas or white space; "
        "`meterr keyring status` shows which are.",
    )
    keys_without_database: Literal["serve_warm", "refuse"] = Field(
        "serve_warm",
        description="What happens to keys in memory while connections to PostgreSQL are refused: "
        "`serve_warm` goes on for at most 300 s, since a server that does not run cannot revoke; "
        "`refuse` answers 503 after 1 s, for databases behind a pooler, proxy or failover address "
        "whose refusal does not mean that PostgreSQL is down.",
    )
    server: ServerSettings = Field(default_factory=ServerSettings, description="Listening.")
    journal: JournalSettings = Field(default_factory=JournalSettings, description="Journal.")
    ledger: LedgerSettings = Field(default_factory=LedgerSettings, description="Ledger.")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="Calls.")
    outbound: OutboundSettings = Field(
        default_factory=OutboundSettings, description="Connections to others."
    )
    secrets: SecretsSettings = Field(
        default_factory=SecretsSettings, description="References to secrets."
    )
    sign_in: SignInSettings = Field(default_factory=SignInSettings, description="People.")
    session: SessionSettings = Field(default_factory=SessionSettings, description="Sessions.")
    leaks: LeakSettings = Field(default_factory=LeakSettings, description="Leaked keys.")
    events: EventSettings = Field(default_factory=EventSettings, description="Security events.")
    notify: NotifySettings = Field(default_factory=NotifySettings, description="Mail to people.")
    query: QuerySettings = Field(default_factory=QuerySettings, description="Questions.")
    log: LogSettings = Field(default_factory=LogSettings, description="Logs.")
    upstreams: Annotated[
        dict[str, UpstreamSettings], Field(description="Provider endpoints by name.")
    ]

    @field_validator("key_pepper", "key_pepper_previous", "key_pepper_next")
    @classmethod
    def _is_long_enough(cls, pepper: SecretSetting | None) -> SecretSetting | None:
        if pepper is not None and pepper.reference is None and len(pepper) < PEPPER_CHARS_MIN:
            raise ValueError(f"should have at least {PEPPER_CHARS_MIN} characters")
        return pepper


def environment() -> Mapping[str, str]:
    """Return the process environment. Everything else takes it as an argument."""
    return os.environ
