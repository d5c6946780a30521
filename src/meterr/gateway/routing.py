"""From a surface and a model name to the upstream that serves it. Built once from settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from meterr.core.errors import MeterrError
from meterr.gateway.model_name import repeatable
from meterr.gateway.surfaces import Family

_CACHED_MAX = 4096
"""Model names come from callers; remember a bounded number of answers."""


class ModelNotFound(MeterrError):
    """No upstream of this surface serves the model, or the key may not use it."""

    code: ClassVar[str] = "model-not-found"
    status: ClassVar[int] = 404
    title: ClassVar[str] = "Model not found"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One configured provider endpoint. ``families`` are the dialects it has a base URL for."""

    name: str
    provider: str
    families: frozenset[Family]
    models: Sequence[str]


class Router:
    """
    Pick the upstream for a model.

    The most specific pattern wins: a full name before any pattern, then the pattern with the most
    literal characters; ties go to the upstream that the configuration names first.
    """

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._rules = sorted(
            (
                (-_specificity(pattern), position, _compiled(pattern), upstream)
                for position, upstream in enumerate(upstreams)
                for pattern in upstream.models
            ),
            key=lambda rule: rule[:2],
        )
        self._found: dict[tuple[Family, str], Upstream] = {}
        self.upstreams: Mapping[str, Upstream] = {each.name: each for each in upstreams}

    def route(self, family: Family, model: str) -> Upstream:
        """Return the upstream for ``model``, or raise ModelNotFound naming the model."""
        found = self._found.get((family, model))
        if found is None:
            found = self._search(family, model)
            if len(self._found) >= _CACHED_MAX:
                self._found.clear()
            self._found[family, model] = found
        return found

    def _search(self, family: Family, model: str) -> Upstream:
        for _, _, pattern, upstream in self._rules:
            if family in upstream.families and pattern.fullmatch(model):
                return upstream
        named = f"The model '{model}'" if repeatable(model) else "The model you name"
        raise ModelNotFound(
            f"{named} is not served here. GET /v1/models lists what is.", param="model"
        )


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))


def _specificity(pattern: str) -> int:
    literal = len(pattern) - pattern.count("*")
    return 10_000 + literal if literal == len(pattern) else literal
