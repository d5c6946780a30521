"""The shapes of those options of a request that can change what it uses."""

from typing import Literal

from msgspec import Raw

from meterr.gateway.metering.bounds.shapes import NONE, Strict


class Edit(Strict):
    """An edit of the context that takes things out of it."""

    type: Literal["clear_tool_uses_20250919", "clear_thinking_20251015"]
    clear_at_least: Raw = NONE
    clear_tool_inputs: Raw = NONE
    exclude_tools: Raw = NONE
    keep: Raw = NONE
    trigger: Raw = NONE


class Edits(Strict):
    """Edits of the context; others than these are samplings of their own."""

    edits: list[Edit] | None = None


class ThinkingConfig(Strict):
    """How much a model may think."""

    type: str | None = None
    budget_tokens: int | None = None
    clear_thinking: bool | None = None
    display: Raw = NONE
    block_binding: Raw = NONE


class Reasoning(Strict):
    """How a model may reason; other modes than this one are samplings of their own."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: Literal["standard"] | None = None
