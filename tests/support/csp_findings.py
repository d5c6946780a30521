"""
The findings of Google's csp-evaluator that are high, medium or syntax, written anew.

From github.com/google/csp-evaluator (``checks/security_checks.ts``, ``checks/parser_checks.ts``).
Its lists of hosts with JSONP or Angular are left out: a policy without foreign hosts needs none,
and any foreign host is a finding here.
"""

from collections.abc import Iterator
from enum import IntEnum

from support.observatory import parsed_policy

_SCRIPTS = ("script-src", "script-src-attr", "script-src-elem")
_XSS = (*_SCRIPTS, "object-src", "base-uri")
_KEYWORDS = {
    "'none'",
    "'self'",
    "'unsafe-inline'",
    "'unsafe-eval'",
    "'unsafe-hashes'",
    "'strict-dynamic'",
    "'report-sample'",
    "'script'",
    "'wasm-unsafe-eval'",
}
_DIRECTIVES = {
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "upgrade-insecure-requests",
    "worker-src",
}


class Severity(IntEnum):
    """As there; smaller is worse."""

    HIGH = 10
    SYNTAX = 20
    MEDIUM = 30
    HIGH_MAYBE = 40
    MEDIUM_MAYBE = 50


def findings(text: str) -> Iterator[tuple[Severity, str]]:
    """Yield what is wrong with a policy, with the directive or value at fault."""
    policy = parsed_policy(text)
    default = policy.get("default-src")
    for name in policy.keys() - _DIRECTIVES:
        yield Severity.SYNTAX, name
    for name in {_effective(name, policy) for name in _XSS}:
        values = policy.get(name, [])
        if name in _SCRIPTS or (name == "default-src" and "script-src" not in policy):
            yield from _script_findings(values)
        yield from (
            (Severity.HIGH, value)
            for value in values
            if value in {"data:", "http:", "https:"} or value.split("://")[-1] == "*"
        )
    if not (policy.get("object-src") or default):
        yield Severity.HIGH, "object-src is missing"
    if "script-src" not in policy and default is None:
        yield Severity.HIGH, "script-src is missing"
    for values in policy.values():
        yield from _value_findings(values)


def _effective(name: str, policy: dict[str, list[str]]) -> str:
    """Return the directive that holds for ``name``; base-uri has none to fall back to."""
    if name in policy or name == "base-uri":
        return name
    if name in _SCRIPTS and "script-src" in policy:
        return "script-src"
    return "default-src"


def _script_findings(values: list[str]) -> Iterator[tuple[Severity, str]]:
    has_nonce = any(value.startswith(("'nonce-", "'sha")) for value in values)
    if "'unsafe-inline'" in values and not has_nonce:
        yield Severity.HIGH, "'unsafe-inline'"
    for keyword in ("'unsafe-eval'", "'unsafe-hashes'", "'self'"):
        if keyword in values:
            yield Severity.MEDIUM_MAYBE, keyword
    for value in values:
        if not value.startswith("'") and "." in value:
            yield Severity.HIGH, value


def _value_findings(values: list[str]) -> Iterator[tuple[Severity, str]]:
    for value in values:
        if value.startswith("http://"):
            yield Severity.MEDIUM, value
        if value.startswith("'nonce-") and len(value) < len("'nonce-12345678'"):
            yield Severity.MEDIUM, value
        is_word = value.startswith("'") and not value.startswith(("'nonce-", "'sha"))
        if is_word and value not in _KEYWORDS:
            yield Severity.SYNTAX, value
        if value in {keyword.strip("'") for keyword in _KEYWORDS}:
            yield Severity.SYNTAX, value
