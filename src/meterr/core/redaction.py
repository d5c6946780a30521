"""
The last look at a log line: what has the shape of a credential is taken out, in whatever field.

The types of ``telemetry`` decide which fields exist. This is for the day when one of them carries
what it should not: a caller's key as the name of a model, a library's word with an address in it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import re2

REDACTED: Final = b"[redacted]"
SECRET_CHARS_MIN: Final = 12
"""Shorter secrets are not searched for as such: they are words that occur in honest lines."""

_APART: Final = rb"(^|[^A-Za-z0-9])"
# None of these ends a JSON string or breaks an escape in it, so a line stays the JSON that it was.
_SHAPES: Final = (
    rb"()sk-meterr_(?:live|test)_[0-9A-Za-z]{8,}",
    rb"()mk1\.[a-z0-9_-]{1,32}\.[A-Za-z0-9_-]{16,}",  # a key-encryption key of ours
    rb"()meterr_(?:claim|refresh|challenge)_[A-Za-z0-9_-]{16,}",
    rb"()meterr-claim_[0-9A-Za-z]{8,}",
    _APART + rb"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Moonshot and whoever copied them
    _APART + rb"(?:A[KS]IA|A3T[A-Z0-9])[A-Z0-9]{16}",  # AWS
    _APART + rb"AIza[A-Za-z0-9_-]{30,}",  # Google
    _APART + rb"(?:gh[pousr]_|github_pat_|glpat-|npm_)[A-Za-z0-9_-]{20,}",
    _APART + rb"xox[a-z]-[A-Za-z0-9-]{10,}",  # Slack
    _APART + rb"(?:[rs]k|whsec)_[A-Za-z0-9_]{16,}",  # Stripe
    _APART + rb"(?:hv[sb]|dp\.[a-z]{2,4})\.[A-Za-z0-9_-]{16,}",  # Vault, Doppler
    _APART + rb"(?:hf_|gsk_|r8_|fw_|nvapi-|pplx-)[A-Za-z0-9_-]{20,}",  # more providers of models
    _APART + rb"eyJ[A-Za-z0-9_.=-]{20,}",  # JSON Web Tokens
    rb"()(?i:AGE-SECRET-KEY-1)[A-Za-z0-9]{8,}",
    rb"()-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?:[^\"\\]|\\.)*",  # to the end of the JSON string
    rb"((?i:bearer)(?:[ +]|\\t)+)[^\s\"\\]{8,}",
    rb"((?i:basic)(?:[ +]|\\t)+)[A-Za-z0-9+/]{16,}=*",
    rb"(://)[^/@\s\"\\]+@",  # a password inside an address
)


class Redactor:
    """
    Takes credentials out of encoded log lines, in time linear in the line (RE2).

    ``secrets`` are exact texts to take out as well, wherever they stand: the credentials of this
    process, or a canary. It can miss a secret of unknown shape and it can hit an innocent word; it
    is the second net and not the first.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # bytes as they come, valid text or not
        self._secrets = frozenset(each for each in secrets if len(each) >= SECRET_CHARS_MIN)
        exact = {_encoded(each) for each in self._secrets}
        patterns = [b"()" + re2.escape(each) for each in sorted(exact, key=len, reverse=True)]
        patterns += _SHAPES
        self._replacements = [re2.compile(pattern, options) for pattern in patterns]
        options.never_capture = True
        self._shapes = re2.Set.SearchSet(options)
        for pattern in patterns:
            self._shapes.Add(pattern)
        self._shapes.Compile()

    def knowing(self, secret: str) -> "Redactor":
        """Return a redactor that takes out ``secret`` as well."""
        return self if secret in self._secrets else Redactor({*self._secrets, secret})

    def line(self, encoded: bytes) -> bytes:
        """Return a JSON line with each credential replaced; about 1 us when there is none."""
        if not self._shapes.Match(encoded):
            return encoded
        for pattern in self._replacements:
            encoded = pattern.sub(rb"\1" + REDACTED, encoded)
        return encoded

    def __repr__(self) -> str:
        return "<Redactor>"


def _encoded(secret: str) -> bytes:
    """Return how a secret looks inside a JSON string."""
    return msgspec.json.encode(secret.encode("utf-8", "replace").decode())[1:-1]
