"""Walls in a tenant's own database: a login that sees its rows alone, tried before it stands."""

from meterr.query.protection.address import Address
from meterr.query.protection.connecting import (
    SourceRefused,
    SourceUnavailable,
    located,
    opened,
    unavailable,
)
from meterr.query.protection.model import Credentials, Crossing, Problem, Protected
from meterr.query.protection.service import look_again, plan, protect
from meterr.query.protection.shape import Shape, Table
from meterr.query.protection.told import told

__all__ = [
    "Address",
    "Credentials",
    "Crossing",
    "Problem",
    "Protected",
    "Shape",
    "SourceRefused",
    "SourceUnavailable",
    "Table",
    "located",
    "look_again",
    "opened",
    "plan",
    "protect",
    "told",
    "unavailable",
]
