"""
The last look at a log line: what has the shape of a credential is taken out, in whatever field.

The types of ``telemetry`` decide which fields exist. This is for the day when one of them carries
what it should not: a caller's key as the name of a model, a library's word with an address in it.
Keys of ours and people's addresses are masked, so that whoever reads the line can find them.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import msgspec
import re2

from meterr.core.masking import HIDDEN, Masker, api_key

REDACTED: Final = HIDDEN.encode()
SECRET_CHARS_MIN: Final = 12
"""Shorter secrets are not searched for as such: they are words that occur in honest lines."""

# The letters of a JSON escape begin no word: ``\nsk-…`` is a line break and a key.
_ESCAPE: Final = rb"\\[bfnrt]|\\u[0-9A-Fa-f]{4}"
_APART: Final = rb"(^|[^A-Za-z0-9]|" + _ESCAPE + rb")"
_OUR_KEY: Final = rb"()(sk-meterr_(?:live|test)_[0-9A-Za-z]{8,})"
# Wider than what mail allows, but for a domain without a dot: ``model@20260101`` is a model.
_EMAIL: Final = (
    rb"((?:" + _ESCAPE + rb")?)"
    rb"([^\x00-\x20\x7f\"\\@<>()\[\]{},:;=/?&|]+@(?:[A-Za-z0-9\x80-\xff_-]+\.)+"
    rb"[A-Za-z\x80-\xff][A-Za-z0-9\x80-\xff-]+)"
)
# None of these ends a JSON string or breaks an escape in it, so a line stays the JSON that it was.
_SHAPES: Final = (
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
    process, or a canary. Keys of ours keep their last four characters, and addresses what
    ``masker`` shows of them. It can miss a secret of unknown shape and it can hit an innocent word;
    it is the second net and not the first.
    """

    def __init__(self, secrets: Iterable[str] = (), masker: Masker | None = None) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # bytes as they come, valid text or not
        self._secrets = frozenset(each for each in secrets if len(each) >= SECRET_CHARS_MIN)
        self._masker = masker or Masker()
        exact = {_encoded(each) for each in self._secrets}
        replacements: dict[bytes, bytes | Callable[[Any], bytes]] = {
            b"()" + re2.escape(each): rb"\1" + REDACTED
            for each in sorted(exact, key=len, reverse=True)
        }
        replacements[_OUR_KEY] = partial(_masked, api_key)
        replacements |= dict.fromkeys(_SHAPES, rb"\1" + REDACTED)
        replacements[_EMAIL] = partial(_masked, self._masker.email)
        self._replacements = [(re2.compile(each, options), by) for each, by in replacements.items()]
        options.never_capture = True
        self._shapes = re2.Set.SearchSet(options)
        for pattern in replacements:
            self._shapes.Add(pattern)
        self._shapes.Compile()

    def knowing(self, secret: str) -> "Redactor":
        """Return a redactor that takes out ``secret`` as well."""
        if secret in self._secrets:
            return self
        return Redactor({*self._secrets, secret}, self._masker)

    def line(self, encoded: bytes) -> bytes:
        """Return a JSON line with each credential replaced; about 1 us when there is none."""
        if not self._shapes.Match(encoded):
            return encoded
        for pattern, replacement in self._replacements:
            encoded = pattern.sub(replacement, encoded)
        return encoded

    def __repr__(self) -> str:
        return "<Redactor>"


def _masked(mask: Callable[[str], str], found: Any) -> bytes:
    """Return a found text masked, behind what stood before it."""
    return bytes(found[1]) + mask(found[2].decode("utf-8", "replace")).encode()


def _encoded(secret: str) -> bytes:
    """Return how a secret looks inside a JSON string."""
    return msgspec.json.encode(secret.encode("utf-8", "replace").decode())[1:-1]
