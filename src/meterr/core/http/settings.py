"""The settings of the server: where it listens, what it accepts, and whom its answers are for."""

from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from meterr.core.http.hosts import checked_name
from meterr.core.http.origin import parsed_origin
from meterr.core.settings_group import Group, Names


class ServerSettings(Group):
    """Where meterr listens and what it accepts from strangers."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 lets the system choose.")
    api: bool = Field(
        True,
        description="Serve the management API below `/api/v1`. Without it a process needs about "
        "16 MB less and starts sooner, and everything is done by commands.",
    )
    api_requests_per_minute: int = Field(
        600,
        ge=10,
        le=1_000_000,
        description="Requests to the management API from one person, or from one address to one "
        "group of routes where nobody is signed in, in a minute; all processes together.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Gateway processes of this host on the one address; one per core.",
    )
    body_bytes_max: int = Field(
        32 * 1024 * 1024, ge=1024, description="Largest request body, in bytes; images need room."
    )
    head_bytes_max: int = Field(
        64 * 1024, ge=4096, description="Largest request line and headers together, in bytes."
    )
    head_timeout_s: float = Field(
        10, gt=0, description="Seconds a client may take to send the headers of one request."
    )
    body_timeout_s: float = Field(
        60, gt=0, description="Seconds a client may take to send the body of one request."
    )
    write_timeout_s: float = Field(
        60, gt=0, description="Seconds a client may leave its answer untaken before it is cut off."
    )
    keep_alive_s: int = Field(75, ge=1, description="Seconds an idle client connection stays open.")
    stop_timeout_s: int = Field(
        30, ge=0, description="Seconds that running calls get to finish when the process stops."
    )
    public_origin: str | None = Field(
        None,
        description="Address of meterr as clients see it, e.g. `https://llm.example.com`. Its host "
        "is allowed, its pages may change things, and if it is https every answer carries HSTS.",
    )
    allowed_hosts: Names = Field(
        (),
        description="Further hosts that requests may name, e.g. `meterr` in a container network. "
        "Always allowed: `localhost`, `127.0.0.1`, `[::1]`, the host of `public_origin` and "
        "`server.host`; where that is every address (`0.0.0.0`, `::`), any IP address.",
    )
    hsts_preload: bool = Field(
        False,
        description="Add `preload` to HSTS: asks browsers to pin your whole domain to https for "
        "years. Set it only for a domain that is on the preload list by your own will.",
    )
    cors_origins: Names = Field(
        (),
        description="Origins whose pages may call with an API key, e.g. `https://app.example.com`: "
        "exact, never with cookies. Default: none.",
    )
    trusted_proxies: Names = Field(
        (),
        description="Networks (CIDR) of proxies whose word on the client's address counts. "
        "Default: none, the client is whoever connects.",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for",
        description="Header that these proxies write the client's address to; the other one is "
        "never read.",
    )

    @field_validator("public_origin")
    @classmethod
    def _is_an_origin(cls, origin: str | None) -> str | None:
        return None if origin is None else parsed_origin(origin).text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: Names) -> Names:
        return tuple(parsed_origin(origin).text for origin in origins)

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: Names) -> Names:
        return tuple(checked_name(host) for host in hosts)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: Names) -> Names:
        for text in networks:
            if ip_network(text).prefixlen == 0:
                raise ValueError(f"{text} is everybody: name the networks of your proxies")
        return networks

    @model_validator(mode="after")
    def _preloads_what_is_pinned(self) -> Self:
        origin = self.public_origin
        if self.hsts_preload and (origin is None or not origin.startswith("https://")):
            raise ValueError("hsts_preload needs server.public_origin with https")
        return self
