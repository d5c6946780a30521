"""What every group of settings is made of; the groups are in ``settings`` and in the rooms."""

from pydantic import BaseModel, ConfigDict

Names = tuple[str, ...]


class Group(BaseModel):
    """What every group of settings shares: frozen, and no name it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
