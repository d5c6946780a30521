"""A smallest plausible value for a JSON schema: what a model with structured output would send."""

from collections.abc import Mapping

from meterr.simulator.model import Json

_DEPTH_MAX = 60
_VALUES_MAX = 10_000
_LENGTH_MAX = 10_000
_FORMATS: Mapping[str, str] = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
}

Opened = frozenset[str]
"""The references being resolved: meeting one of them again means a value that never ends."""


class _Endless(Exception):
    """No finite value on this branch: the schema requires itself, or is out of our bounds."""


def specimen(schema: Json) -> Json:
    """
    Return a value that satisfies ``schema``; ``{}`` when the schema has no finite value.

    Knows types, required properties, local ``$ref``, enum, const, anyOf, oneOf, allOf, lengths,
    bounds and the common formats. Does not know patterns or conditional keywords, and does not
    build more than 10,000 values.

    Raises:
        TypeError, ValueError, AttributeError: not a schema, e.g. a number as ``properties``.
    """
    try:
        return _Maker(schema).value(schema, frozenset(), 0)
    except _Endless:
        return {}


class _Maker:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._values_left = _VALUES_MAX

    def value(self, schema: Json, opened: Opened, depth: int) -> Json:
        self._values_left -= 1
        if depth > _DEPTH_MAX or self._values_left < 0:
            raise _Endless
        if not isinstance(schema, dict):
            return "simulated"
        schema, opened = self._merged(schema, opened)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            return self._first_finite(branches, opened, depth)
        return self._typed(schema, opened, depth)

    def _merged(self, schema: dict[str, Json], opened: Opened) -> tuple[dict[str, Json], Opened]:
        """Fold ``$ref`` and ``allOf`` into ``schema``."""
        while "$ref" in schema or "allOf" in schema:
            rest = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
            if "$ref" in schema:
                reference = str(schema["$ref"])
                if reference in opened:
                    raise _Endless
                opened |= {reference}
                rest = {**_resolved(reference, self._root), **rest}
            for part in schema.get("allOf", ()):
                folded, opened = self._merged(part, opened)
                rest = _joined(rest, folded)
            schema = rest
        return schema, opened

    def _first_finite(self, branches: list[Json], opened: Opened, depth: int) -> Json:
        for branch in branches:
            try:
                return self.value(branch, opened, depth + 1)
            except _Endless:
                continue
        raise _Endless

    def _typed(self, schema: dict[str, Json], opened: Opened, depth: int) -> Json:
        kinds = schema.get("type")
        kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
        if kind == "object" or (kind is None and "properties" in schema):
            properties = schema.get("properties", {})
            return {
                name: self.value(properties.get(name, {"type": "string"}), opened, depth + 1)
                for name in schema.get("required", ())
            }
        if kind == "array":
            return self._array(schema, opened, depth)
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        if kind == "boolean":
            return False
        return None if kind == "null" else _string(schema)

    def _array(self, schema: dict[str, Json], opened: Opened, depth: int) -> list[Json]:
        items = [self.value(item, opened, depth + 1) for item in schema.get("prefixItems", ())]
        while len(items) < schema.get("minItems", 0):
            items.append(self.value(schema.get("items", {}), opened, depth + 1))
        return items


def _joined(left: dict[str, Json], right: dict[str, Json]) -> dict[str, Json]:
    return {
        **left,
        **right,
        "properties": {**left.get("properties", {}), **right.get("properties", {})},
        "required": [*left.get("required", []), *right.get("required", [])],
    }


def _resolved(reference: str, root: Json) -> dict[str, Json]:
    node = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if name:
            node = node.get(name, {})
    return node if isinstance(node, dict) else {}


def _number(schema: dict[str, Json], *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1)
    beyond = step if whole or "multipleOf" in schema else step / 2
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + beyond
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - beyond
    if low is not None and high is not None and beyond != step:
        value = (low + high) / 2
    elif low is not None and low > 0:
        value = low if beyond != step else -(-low // step) * step
    elif high is not None and high < 0:
        value = high if beyond != step else high // step * step
    else:
        value = 0
    return int(value) if whole else value


def _string(schema: dict[str, Json]) -> str:
    text = _FORMATS.get(str(schema.get("format", "")), "simulated")
    text = text.ljust(min(schema.get("minLength", 0), _LENGTH_MAX), ".")
    return text[: schema.get("maxLength", len(text))]
