"""The gateway: an SDK's call goes to its provider and comes back, counted, priced and recorded."""

from meterr.gateway.admission import Admission
from meterr.gateway.call import Books
from meterr.gateway.endpoint import Endpoint, credential_block
from meterr.gateway.handler import Limits, MeteredSurface
from meterr.gateway.holding import Holding
from meterr.gateway.models import Models
from meterr.gateway.routes import exact_routes, render, routes_below
from meterr.gateway.routing import Router, Upstream
from meterr.gateway.surfaces import SURFACES, Family

__all__ = [
    "SURFACES",
    "Admission",
    "Books",
    "Endpoint",
    "Family",
    "Holding",
    "Limits",
    "MeteredSurface",
    "Models",
    "Router",
    "Upstream",
    "credential_block",
    "exact_routes",
    "render",
    "routes_below",
]
