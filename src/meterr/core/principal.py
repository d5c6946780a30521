"""Who acts. A Principal is built only by code that verified a credential; it has no default."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterr.core.limits import Limit


class Scope(StrEnum):
    """What an API key may do. A key without a scope for a surface is refused there."""

    CHAT = "chat"  # chat completions, responses, messages, count_tokens
    EMBEDDINGS = "embeddings"
    MODELS = "models"  # list and read models
    QUERY = "query"  # ask about the tenant's own data


MODEL_SCOPES: Final = (Scope.CHAT, Scope.EMBEDDINGS, Scope.MODELS)
"""What a key gets when nobody says what: to use models. To read calls and costs has to be said."""


class UnknownPrice(StrEnum):
    """What a tenant wants when a model has no known price."""

    REFUSE = "refuse"  # 402 before the call leaves
    FLAG = "flag"  # pass; the entry has no cost and says so


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: an active key of an active tenant."""

    tenant_id: str
    key_id: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None  # glob patterns; None allows every model
    unknown_price: UnknownPrice
    owner: str = ""  # who answers for the key; "" for nobody by name
    time_zone: str = "UTC"  # IANA name; where the tenant's days begin
    limits: tuple[Limit, ...] = ()
    output_tokens_default: int | None = None  # for calls that name no bound themselves
    send_output_default: bool = False  # tell the provider, too
