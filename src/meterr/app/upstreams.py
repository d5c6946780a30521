"""From the settings of upstreams to routes, connections and credentials."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from meterr.core.settings import GatewaySettings, UpstreamSettings
from meterr.gateway import Endpoint, Family, Router, Upstream, credential_block
from meterr.gateway.upstream import Origin, Timeouts, UpstreamPool

Endpoints = Mapping[tuple[str, Family], Endpoint]


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


@asynccontextmanager
async def open_endpoints(
    settings: Mapping[str, UpstreamSettings], gateway: GatewaySettings
) -> AsyncIterator[Endpoints]:
    """Yield an endpoint for each upstream and dialect; their connections close with the block."""
    timeouts = Timeouts(
        connect_s=gateway.connect_timeout_s,
        first_byte_s=gateway.first_byte_timeout_s,
        idle_s=gateway.idle_timeout_s,
    )
    async with AsyncExitStack() as stack:
        endpoints: dict[tuple[str, Family], Endpoint] = {}
        for name, each in settings.items():
            for family, url in _base_urls(each).items():
                origin = Origin.parse(url, ca_file=each.ca_file)
                pool = UpstreamPool(origin, timeouts=timeouts, connections_max=each.connections_max)
                stack.push_async_callback(pool.aclose)
                secret = each.credential
                endpoints[name, family] = Endpoint(
                    pool=pool,
                    base_path=origin.base_path,
                    credential=credential_block(
                        family, secret.get_secret_value() if secret else None
                    ),
                )
        yield endpoints


def _base_urls(settings: UpstreamSettings) -> Mapping[Family, str]:
    found = {
        Family.OPENAI: settings.openai_base_url,
        Family.ANTHROPIC: settings.anthropic_base_url,
    }
    return {family: url for family, url in found.items() if url is not None}
