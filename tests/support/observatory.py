"""
The grade that MDN's HTTP Observatory gives: its tests and its score table, written anew.

From github.com/mdn/mdn-http-observatory (``src/grader/charts.js``, ``src/analyzer/tests``), as of
August 2026. Where that scanner fetches a site, this one is given its answers; redirection to https
and certificates are the proxy's, so they count as good (a modifier of 0 in the table).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EXTRA_CREDIT_FROM = 90
_GRADES = {100: "A+", 95: "A", 90: "A", 85: "A-", 80: "B+", 75: "B", 70: "B", 65: "B-", 60: "C+"}
_BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
_UNSAFE = {"'unsafe-inline'", "data:"}
_SIX_MONTHS_S = 15_768_000

Fields = Sequence[tuple[str, str]]
Policy = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Grade:
    """A score, its letter, and each test's share."""

    score: int
    letter: str
    parts: Mapping[str, int]


def grade(fields: Fields, *, with_origin: Fields = (), html: bool = False) -> Grade:
    """Grade an answer over https; ``with_origin`` is the answer to a request with an Origin."""
    parts = {
        "content-security-policy": _csp(fields),
        "cookies": _cookies(_all(fields, "set-cookie")),
        "cross-origin-resource-sharing": _cors(with_origin),
        "referrer-policy": _referrer(_all(fields, "referrer-policy")),
        "strict-transport-security": _hsts(_all(fields, "strict-transport-security")),
        # Scripts of our own origin need no integrity and get no bonus; data has no scripts.
        "subresource-integrity": 0,
        "x-content-type-options": _nosniff(_all(fields, "x-content-type-options")),
        "x-frame-options": _frames(fields),
        "cross-origin-opener-policy": _one_of(
            _all(fields, "cross-origin-opener-policy"),
            {"same-origin", "same-origin-allow-popups", "noopener-allow-popups"},
        ),
        "cross-origin-embedder-policy": _one_of(
            _all(fields, "cross-origin-embedder-policy"), {"require-corp", "credentialless"}
        ),
        "cross-origin-resource-policy": _corp(_all(fields, "cross-origin-resource-policy")),
    }
    uncurved = 100 + sum(value for value in parts.values() if value < 0)
    score = 100 + sum(parts.values()) if uncurved >= EXTRA_CREDIT_FROM else uncurved
    score = max(score, 0)
    return Grade(score, _GRADES.get(min(score - score % 5, 100), "D or F"), parts)


def parsed_policy(text: str) -> dict[str, list[str]]:
    """Return the directives of one policy. Raises ValueError when one is given twice."""
    found: dict[str, list[str]] = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        name, *values = part.lower().split()
        if name in found:
            raise ValueError(f"duplicate directive {name}")
        found[name] = values or (["'none'"] if name.endswith("-src") else [])
    return found


def _all(fields: Fields, name: str) -> list[str]:
    return [value for found, value in fields if found.lower() == name]


def _csp(fields: Fields) -> int:
    policies = [
        each for line in _all(fields, "content-security-policy") for each in line.split(",")
    ]
    if not policies:
        return -25
    if len(policies) > 1:
        raise NotImplementedError("several policies are not merged here")
    try:
        policy = parsed_policy(policies[0])
    except ValueError:
        return -25
    return _policy_score(policy)


def _policy_score(policy: Policy) -> int:
    default = policy.get("default-src", ["*"])
    script, style = policy.get("script-src", default), policy.get("style-src", default)
    plugins = policy.get("object-src", default)
    passive = [*policy.get("img-src", default), *policy.get("media-src", default)]
    active = [
        source
        for name, sources in policy.items()
        if name not in {"img-src", "media-src"}
        for source in sources
    ]
    if (_BROAD | _UNSAFE) & set(script) or _BROAD & set(plugins):
        return -20
    if any(source.startswith(("http:", "ftp:")) for source in active):
        return -20
    if "'unsafe-eval'" in {*script, *style}:
        return -10
    if any(source.startswith(("http:", "ftp:")) for source in passive):
        return -10
    if (_BROAD | _UNSAFE) & set(style):
        return 0
    return 10 if policy.get("default-src") == ["'none'"] else 5


def _cookies(lines: Sequence[str]) -> int:
    scores = [0]
    for line in lines:
        flags = {part.strip().lower() for part in line.split(";")[1:]}
        is_strict = bool({"samesite=strict", "samesite=lax"} & flags)
        if "secure" not in flags:
            scores.append(-40)
        elif "httponly" not in flags:
            scores.append(-30)
        else:
            scores.append(5 if is_strict else 0)
    return min(scores[1:], default=0)


def _cors(fields: Fields) -> int:
    credentials = _all(fields, "access-control-allow-credentials")
    reflects = bool(_all(fields, "access-control-allow-origin"))
    return -50 if reflects and "true" in credentials else 0


def _referrer(values: Sequence[str]) -> int:
    good = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
    if not values:
        return 0
    return 5 if values[-1].split(",")[-1].strip().lower() in good else -5


def _hsts(values: Sequence[str]) -> int:
    if not values or "," in values[0] or len(values) > 1:
        return -20
    ages = [part.strip()[8:] for part in values[0].lower().split(";") if "max-age=" in part]
    if not ages or not ages[0].isdigit():
        return -20
    return 0 if int(ages[0]) >= _SIX_MONTHS_S else -10


def _nosniff(values: Sequence[str]) -> int:
    return 0 if [value.lower() for value in values] == ["nosniff"] else -5


def _frames(fields: Fields) -> int:
    policy = ";".join(_all(fields, "content-security-policy"))
    values = [value.lower() for value in _all(fields, "x-frame-options")]
    if "frame-ancestors" in policy or values in (["deny"], ["sameorigin"]):
        return 5
    return 0 if values and values[0].startswith("allow-from") else -20


def _one_of(values: Sequence[str], good: set[str]) -> int:
    if not values or list(values) == ["unsafe-none"]:
        return 0
    return 10 if len(values) == 1 and values[0] in good else -5


def _corp(values: Sequence[str]) -> int:
    if not values or list(values) == ["cross-origin"]:
        return 0
    return 10 if list(values) in (["same-origin"], ["same-site"]) else -5
