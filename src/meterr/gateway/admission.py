"""May this call leave, where to, and at which price? Pure."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from meterr import identity, ledger
from meterr.core.errors import Unavailable, UnsupportedMediaType
from meterr.core.principal import Principal, UnknownPrice
from meterr.gateway.errors import PriceUnknown
from meterr.gateway.headers import Known
from meterr.gateway.metering import RequestFacts
from meterr.gateway.metering.bounds import told_bound
from meterr.gateway.routing import ModelNotFound, Router, Upstream
from meterr.gateway.surfaces import CHAT, Surface
from meterr.ledger.model import Price
from meterr.ledger.price_context import STANDARD

_JSON = b"application/json"
_TIER_LEFT_OPEN = frozenset({"", "auto"})
_ANY_TIER = frozenset({"", "auto", "default", "standard", "standard_only"})
"""Words for a service tier by which callers ask for nothing dearer than usual."""


class Admitted(NamedTuple):
    """A call that may leave."""

    principal: Principal
    surface: Surface
    facts: RequestFacts
    upstream: Upstream
    price: Price | None
    context: str = STANDARD
    """Which of the model's price lists the caller asked for."""

    @property
    def output_field(self) -> str:
        """The field by which this provider's callers bound an answer, "" when there is none."""
        if self.surface is CHAT and self.upstream.provider == "openai":
            return "max_completion_tokens"
        return self.surface.output_field

    @property
    def output_default(self) -> int | None:
        """The bound that the key wants sent with a call that sets none itself."""
        principal = self.principal
        if not principal.send_output_default:
            return None
        if told_bound(self.facts, self.upstream.provider) is not None:
            return None
        return principal.output_tokens_default if self.output_field else None


def leaves_tier_open(admitted: Admitted) -> bool:
    """Say whether the provider may choose a dearer tier than the caller named."""
    return admitted.facts.service_tier in _TIER_LEFT_OPEN


def require_json(known: Known) -> None:
    """Refuse a body that says it is not JSON, or that is compressed."""
    content_type = known.get(b"content-type", b"")
    if content_type != _JSON and not content_type.lower().startswith(_JSON):
        raise UnsupportedMediaType("Send the header 'content-type: application/json'.")
    if known.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Send the body without a content encoding.")


class Admission:
    """Decide over one call after its key is known: scope, model, route, price."""

    def __init__(
        self,
        router: Router,
        prices: ledger.PriceBook,
        *,
        prices_loaded: Callable[[], bool],
        withheld: Collection[str] = (),
    ) -> None:
        self._router = router
        self._prices = prices
        self._prices_loaded = prices_loaded
        self._withheld = withheld  # upstreams whose credential is not known right now

    def admit(
        self, principal: Principal, surface: Surface, facts: RequestFacts, unix_ms: int
    ) -> Admitted:
        """
        Return the admitted call.

        Raises:
            ModelNotFound: not served on this surface, or not allowed to this key; not told apart.
            PriceUnknown: the tenant refuses calls without a known price.
            Unavailable: the price overrides have not been read yet, or the upstream's stored
                credential is not known.
        """
        upstream = self._router.route(surface.family, facts.model)
        if not identity.allows_model(principal, facts.model):
            raise ModelNotFound(
                f"The model '{facts.model}' is not available to this key. "
                "GET /v1/models lists what is.",
                param="model",
            )
        if upstream.name in self._withheld:
            raise Unavailable(
                "The provider's credential cannot be read right now. Retry in a moment.",
                retry_after_s=1,
            )
        if not surface.billed:
            return Admitted(principal, surface, facts, upstream, None)
        if not self._prices_loaded():
            raise Unavailable("Prices are not loaded yet. Retry in a moment.", retry_after_s=1)
        context = STANDARD if facts.service_tier in _ANY_TIER else facts.service_tier
        price = self._prices.resolve(upstream.provider, facts.model, context, unix_ms)
        if price is None and principal.unknown_price is UnknownPrice.REFUSE:
            if context != STANDARD:
                raise PriceUnknown(
                    f"No price is known for the model '{facts.model}' with this service_tier. "
                    "Leave service_tier out, or set a price with 'meterr price set --context'.",
                    param="service_tier",
                )
            raise PriceUnknown(
                f"No price is known for the model '{facts.model}' of provider "
                f"'{upstream.provider}'. Set one with 'meterr price set', or let the tenant flag "
                "such calls instead.",
                param="model",
            )
        return Admitted(principal, surface, facts, upstream, price, context)
