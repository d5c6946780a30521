"""The web surface of one process, made from its settings once: what the door asks and answers."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final

from meterr.core.http.answer_head import Audience, block, protections
from meterr.core.http.client_address import Proxies
from meterr.core.http.cors import shared_with
from meterr.core.http.hosts import AllowedHosts
from meterr.core.http.origin import is_address, is_loopback, parsed_origin
from meterr.core.http.settings import ServerSettings

KNOWN: Final = "meterr.known"
"""Scope key: the request's headers that meterr acts on, by name; of several alike, the last."""

ACTED_ON: Final = frozenset(
    {
        b"accept-encoding",
        b"access-control-request-method",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-type",
        b"cookie",
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"user-agent",
        b"x-api-key",
    }
)
"""Every request header that meterr itself acts on, but for those of proxies."""

ONLY_ONCE: Final = (b"host", b"origin", b"sec-fetch-site")
"""Headers of which a second one is an attempt to be read in two ways."""

Heads = Mapping[tuple[Audience, bytes | None], bytes]


class Web:
    """
    Which hosts and origins count, and the header blocks of answers.

    ``usual_head`` is the block of answers that no route chose one for.
    """

    def __init__(self, settings: ServerSettings) -> None:
        public = None if settings.public_origin is None else parsed_origin(settings.public_origin)
        names = [*settings.allowed_hosts] + ([public.host] if public is not None else [])
        self.hosts = AllowedHosts(names, settings.host)
        self.trusted_origins = frozenset({public.text.encode()} if public is not None else ())
        self.proxies: Proxies | None = None
        if settings.trusted_proxies:
            networks = [ip_network(text) for text in settings.trusted_proxies]
            self.proxies = Proxies(networks, settings.forwarded_header)
        # What is pinned to https is a name and all below it; localhost is everybody's, and an
        # address cannot be pinned.
        over_tls = public is not None and public.scheme == "https"
        self._hsts = (
            over_tls
            and public is not None
            and not (is_loopback(public.host) or is_address(public.host))
        )
        self._preload = settings.hsts_preload
        self._origins = settings.cors_origins
        self._heads = self._made()
        self.usual_head = self._heads[Audience.SDKS, None]
        self.shares = bool(self._origins)

    def head(self, audience: Audience, origin: bytes | None = None) -> bytes | None:
        """Return the block for ``audience``; None for an ``origin`` that may not read."""
        return self._heads.get((audience, origin))

    def _made(self) -> Heads:
        made: dict[tuple[Audience, bytes | None], bytes] = {}
        for audience in Audience:
            told = dict(protections(audience, hsts=self._hsts, hsts_preload=self._preload))
            if audience is not Audience.BROWSERS and self._origins:
                told["vary"] = "Origin"
                for origin in self._origins:
                    shared = {**told, **dict(shared_with(origin))}
                    made[audience, origin.encode()] = block(shared.items())
            made[audience, None] = block(told.items())
        return made
