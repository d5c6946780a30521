"""Run a tenant's question: guarded, priced, as the tenant's own login, within limits."""

from meterr.query.run.errors import QueryFailed, QueryRefused, QueryTimeout, QueryTooCostly
from meterr.query.run.idle import IdleSessions
from meterr.query.run.model import Answer, AnswerColumn, Limits
from meterr.query.run.runner import Runner
from meterr.query.run.sessions import LoginSessions, TokenSessions
from meterr.query.run.usage_source import DescribedColumn, DescribedRelation, UsageSource

__all__ = [
    "Answer",
    "AnswerColumn",
    "DescribedColumn",
    "DescribedRelation",
    "IdleSessions",
    "Limits",
    "LoginSessions",
    "QueryFailed",
    "QueryRefused",
    "QueryTimeout",
    "QueryTooCostly",
    "Runner",
    "TokenSessions",
    "UsageSource",
]
