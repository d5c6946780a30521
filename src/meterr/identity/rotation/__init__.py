"""How keys follow each other: one, by policy, or all at once. See README.md."""

from meterr.identity.rotation.emergency import rotate_all
from meterr.identity.rotation.errors import AlreadyRotated, CodeRefused, KeyEnded
from meterr.identity.rotation.handover import issue_codes, issue_page
from meterr.identity.rotation.model import Asker, Handover, Rotated, RotationPolicy
from meterr.identity.rotation.schedule import end_policy, list_policies, mark_due, set_policy
from meterr.identity.rotation.service import collect, rotate_key

__all__ = [
    "AlreadyRotated",
    "Asker",
    "CodeRefused",
    "Handover",
    "KeyEnded",
    "Rotated",
    "RotationPolicy",
    "collect",
    "end_policy",
    "issue_codes",
    "issue_page",
    "list_policies",
    "mark_due",
    "rotate_all",
    "rotate_key",
    "set_policy",
]
