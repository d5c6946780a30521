"""GET models and models/{id}, in the shape of the family that asks."""

from meterr.simulator.model import Dialect, Json, Refused

MODELS = (
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5-mini",
    "text-embedding-3-small",
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
    "kimi-k2.6",
)
_CREATED = 1_767_225_600
_CREATED_AT = "2026-01-01T00:00:00Z"


def listed(dialect: Dialect) -> Json:
    """Return all models on one page."""
    data = [_described(dialect, name) for name in MODELS]
    if dialect is Dialect.ANTHROPIC:
        return {"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return {"object": "list", "data": data}


def found(dialect: Dialect, name: str) -> Json:
    """Return one model; raises Refused 404 when it is not in the list."""
    if name not in MODELS:
        raise Refused(
            404, f"The model '{name}' does not exist", param="model", code="model_not_found"
        )
    return _described(dialect, name)


def _described(dialect: Dialect, name: str) -> Json:
    if dialect is Dialect.ANTHROPIC:
        return {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": _CREATED_AT,
            "lifecycle": "active",
        }
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "simulator"}
