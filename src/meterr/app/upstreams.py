"""From the settings of upstreams to routes, connections and credentials."""

from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from pydantic import SecretStr

from meterr.core.configuration import ConfigurationError
from meterr.core.http.outbound import AllowList, Reason, Trust, WrittenGuard, check_literal
from meterr.core.settings import GatewaySettings, OutboundSettings, UpstreamSettings
from meterr.gateway import Endpoint, Family, Router, Upstream, credential_block
from meterr.gateway.upstream import Origin, Timeouts, UpstreamPool
from meterr.ledger.report import UpstreamMeaning

MutableEndpoints = MutableMapping[tuple[str, Family], Endpoint]

_ADVICE: Final = dict.fromkeys(
    Reason, "meterr does not connect there; if it is yours, list it in outbound.allow"
) | {
    Reason.NOT_HTTPS: "use https across the internet, or list the address in outbound.allow if "
    "it is in a network of yours",
}


def router(settings: Mapping[str, UpstreamSettings]) -> Router:
    """Return the routes that the settings describe."""
    return Router(
        [
            Upstream(
                name=name,
                provider=each.provider,
                families=frozenset(_base_urls(each)),
                models=each.models,
            )
            for name, each in settings.items()
        ]
    )


def meanings(settings: Mapping[str, UpstreamSettings]) -> list[UpstreamMeaning]:
    """Return what the ledger should remember of the upstreams' names."""
    return [
        UpstreamMeaning(name, each.provider, each.openai_base_url, each.anthropic_base_url)
        for name, each in settings.items()
    ]


def check(settings: Mapping[str, UpstreamSettings], outbound: OutboundSettings) -> None:
    """
    Refuse addresses and credentials that no endpoint can be made of, before anything starts.

    A name is not looked up here: what it leads to is judged when it is connected to.
    Raises ConfigurationError naming the setting.
    """
    trust = Trust(AllowList.parse(outbound.allow), written=True)
    for name, each in settings.items():
        for family, url in _base_urls(each).items():
            setting = f"upstreams.{name}.{family.value}_base_url"
            try:
                origin = Origin.parse(url, ca_file=each.ca_file)
            except (ValueError, OSError) as error:
                raise ConfigurationError(f"{setting}: {error}") from None
            reason = check_literal(origin.destination, trust)
            if reason is not None:
                raise ConfigurationError(f"{setting}: {_ADVICE[reason]} ({reason})")
            try:
                credential_block(family, _text(each.credential))
            except ValueError as error:
                raise ConfigurationError(f"upstreams.{name}.credential: {error}") from None


@asynccontextmanager
async def open_endpoints(
    settings: Mapping[str, UpstreamSettings], gateway: GatewaySettings, outbound: OutboundSettings
) -> AsyncIterator[MutableEndpoints]:
    """Yield an endpoint for each upstream and dialect; their connections close with the block."""
    timeouts = Timeouts(
        connect_s=gateway.connect_timeout_s,
        first_byte_s=gateway.first_byte_timeout_s,
        idle_s=gateway.idle_timeout_s,
    )
    allow = AllowList.parse(outbound.allow)
    async with AsyncExitStack() as stack:
        endpoints: dict[tuple[str, Family], Endpoint] = {}
        for name, each in settings.items():
            for family, url in _base_urls(each).items():
                origin = Origin.parse(url, ca_file=each.ca_file)
                pool = UpstreamPool(
                    origin,
                    timeouts=timeouts,
                    connections_max=each.connections_max,
                    locate=WrittenGuard(origin.destination, allow).locate,
                )
                stack.push_async_callback(pool.aclose)
                endpoints[name, family] = Endpoint(
                    pool=pool,
                    base_path=origin.base_path,
                    credential=credential_block(family, None),
                )
            with_credential(endpoints, name, each.credential)
        yield endpoints


def with_credential(
    endpoints: MutableEndpoints, upstream: str, credential: SecretStr | None
) -> None:
    """Show ``credential`` at all endpoints of ``upstream`` from the next call on."""
    text = _text(credential)
    for (name, family), endpoint in list(endpoints.items()):
        if name == upstream:
            endpoints[name, family] = replace(
                endpoint,
                credential=credential_block(family, text),
                secret=b"" if text is None else text.encode(),
            )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _base_urls(settings: UpstreamSettings) -> Mapping[Family, str]:
    found = {
        Family.OPENAI: settings.openai_base_url,
        Family.ANTHROPIC: settings.anthropic_base_url,
    }
    return {family: url for family, url in found.items() if url is not None}
