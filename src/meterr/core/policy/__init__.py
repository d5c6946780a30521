"""Who may do what: one list of permissions, one table, one rule. Pure; denies by default."""

from meterr.core.policy.actor import PLATFORM, Actor, Role
from meterr.core.policy.errors import Forbidden, ProofNeeded
from meterr.core.policy.permission import Permission
from meterr.core.policy.registry import Keyed, Open, Registry, Route, RouteUndeclared
from meterr.core.policy.verdict import Need, Verdict, allowed

__all__ = [
    "PLATFORM",
    "Actor",
    "Forbidden",
    "Keyed",
    "Need",
    "Open",
    "Permission",
    "ProofNeeded",
    "Registry",
    "Role",
    "Route",
    "RouteUndeclared",
    "Verdict",
    "allowed",
]
