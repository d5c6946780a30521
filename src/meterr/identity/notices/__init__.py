"""Notices: what people are told of events that concern them. See README.md."""

from meterr.identity.notices.model import Notice, NoticePage
from meterr.identity.notices.service import list_notices, mark_read, tell_keepers, tell_person

__all__ = [
    "Notice",
    "NoticePage",
    "list_notices",
    "mark_read",
    "tell_keepers",
    "tell_person",
]
