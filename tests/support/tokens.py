"""Hostile tokens, each with its name, and how they are made."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterr.core.tokens import (
    Claims,
    Flaw,
    Rules,
    SigningKey,
    TokenRefused,
    new_signing_key,
    sign,
    verify,
)

NOW_S = 1_800_000_000
RULES = Rules(issuer="meterr", audience="meterr-api", life_s_max=300)
KEY = new_signing_key("s1-current", lambda size: bytes(range(size)))
OTHER = new_signing_key("s2-other", lambda size: bytes(range(1, size + 1)))
KEYS = {key.kid: key.verifying for key in (KEY, OTHER)}
CLAIMS = Claims(
    user_id="0199aaaa-0000-7000-8000-000000000001",
    session_id="0199aaaa-0000-7000-8000-000000000002",
    token_id="0199aaaa-0000-7000-8000-000000000003",
    issued_at_s=NOW_S,
    expires_at_s=NOW_S + 300,
)
GOOD = sign(KEY, CLAIMS, RULES)
HEADER = {"alg": "Ed25519", "typ": "meterr-access+jwt", "kid": "s1-current"}
PAYLOAD = {
    "iss": "meterr",
    "aud": "meterr-api",
    "sub": CLAIMS.user_id,
    "sid": CLAIMS.session_id,
    "jti": CLAIMS.token_id,
    "iat": NOW_S,
    "nbf": NOW_S,
    "exp": NOW_S + 300,
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw_sign(signing_input: str, key: SigningKey = KEY) -> bytes:
    return key.jwk.get_op_key("sign").sign(signing_input.encode())  # type: ignore[union-attr]  # it is an Ed25519 key


def assembled(header: str, payload: str, key: SigningKey = KEY) -> str:
    """Return a token of these two JSON texts, signed right."""
    head = f"{b64(header.encode())}.{b64(payload.encode())}"
    return f"{head}.{b64(raw_sign(head, key))}"


def with_header(**changed: object) -> str:
    return assembled(json.dumps(changes(HEADER, changed)), json.dumps(PAYLOAD))


def with_claims(**changed: object) -> str:
    return assembled(json.dumps(HEADER), json.dumps(changes(PAYLOAD, changed)))


def changes(original: Mapping[str, object], changed: Mapping[str, object]) -> dict[str, object]:
    """Return ``original`` with changes; None takes a member out."""
    merged = {**original, **changed}
    return {name: value for name, value in merged.items() if value is not None}


def raw_claims(old: str, new: str) -> str:
    """Return a rightly signed token in whose payload a piece of text is another one."""
    text = json.dumps(PAYLOAD)
    assert old in text
    return assembled(json.dumps(HEADER), text.replace(old, new))


def hmac_signed(alg: str, secret: bytes, **header: object) -> str:
    head = f"{b64(json.dumps({**HEADER, 'alg': alg, **header}).encode())}.{GOOD.split('.')[1]}"
    return f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def foreign_signed(alg: str, signed: Callable[[bytes], bytes]) -> str:
    head = f"{b64(json.dumps({**HEADER, 'alg': alg}).encode())}.{GOOD.split('.')[1]}"
    return f"{head}.{b64(signed(head.encode()))}"


def flaw_of(token: str, now_s: int = NOW_S, rules: Rules = RULES) -> Flaw | None:
    try:
        verify(token, KEYS.get, now_s, rules)
    except TokenRefused as refused:
        return refused.flaw
    return None


def _parts() -> tuple[str, str, str]:
    header, payload, signature = GOOD.split(".")
    return header, payload, signature


def _order() -> int:
    return 2**252 + 27742317777372353535851937790883648493


def _malleable() -> str:
    """Return the token with S + L in the place of S: the same equation, another signature."""
    header, payload, signature = _parts()
    raw = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(raw[32:], "little") + _order()
    return f"{header}.{payload}.{b64(raw[:32] + s.to_bytes(32, 'little'))}"


def _own_jwk() -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.verifying.public)}


_PUBLIC = KEY.verifying.public
_PEM = KEY.jwk.get_op_key("verify").public_bytes(  # type: ignore[union-attr]  # it is an Ed25519 key
    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
)
_RSA = rsa.generate_private_key(65537, 2048)
_EC = ec.generate_private_key(ec.SECP256R1())
_H, _P, _S = _parts()

ATTACKS: dict[str, str] = {
    # the algorithm
    "alg none without a signature": f"{b64(json.dumps({**HEADER, 'alg': 'none'}).encode())}.{_P}.",
    "alg NoNe with a signature": with_header(alg="NoNe"),
    "alg EdDSA, the polymorphic name": with_header(alg="EdDSA"),
    "alg Ed448": with_header(alg="Ed448"),
    "alg missing": with_header(alg=None),
    "alg a list": with_header(alg=["Ed25519"]),
    "alg in other case": with_header(alg="ed25519"),
    "HS256 with the public key as secret": hmac_signed("HS256", _PUBLIC),
    "HS256 with the public key's PEM as secret": hmac_signed("HS256", _PEM),
    "HS256 with an empty secret": hmac_signed("HS256", b""),
    "HS256 with a five-byte secret": hmac_signed("HS256", b"12345"),
    "an HMAC that calls itself Ed25519": hmac_signed("Ed25519", _PUBLIC),
    "RS256 by a key of the attacker's": foreign_signed(
        "RS256",
        lambda head: _RSA.sign(head, padding.PKCS1v15(), SHA256()),
    ),
    "ES256 by a key of the attacker's": foreign_signed(
        "ES256", lambda head: _EC.sign(head, ec.ECDSA(SHA256()))
    ),
    "Ed448 by a key of the attacker's": foreign_signed(
        "Ed25519", lambda head: Ed448PrivateKey.generate().sign(head)
    ),
    # the key
    "kid of another key of ours": with_header(kid="s2-other"),
    "kid unknown": with_header(kid="s3-unknown"),
    "kid a path": with_header(kid="../../../../dev/null"),
    "kid SQL": with_header(kid="x' union select 'a' --"),
    "kid an address": with_header(kid="https://evil.example/keys"),
    "kid with NUL": with_header(kid="s1-current\0"),
    "kid with a newline": with_header(kid="s1-current\n"),
    "kid a number": with_header(kid=1),
    "kid null": assembled(json.dumps({**HEADER, "kid": None}), json.dumps(PAYLOAD)),
    "kid empty": with_header(kid=""),
    "kid of 500 characters": with_header(kid="s" * 500),
    "kid missing": with_header(kid=None),
    "jwk in the header": with_header(jwk=_own_jwk()),
    "jku in the header": with_header(jku="https://evil.example/jwks.json"),
    "x5u in the header": with_header(x5u="https://evil.example/cert.pem"),
    "x5c in the header": with_header(x5c=["MIIB"]),
    "x5t in the header": with_header(x5t="abc"),
    "signed by nobody we know under our kid": assembled(
        json.dumps(HEADER), json.dumps(PAYLOAD), new_signing_key("s1-current", os.urandom)
    ),
    # the header
    "crit that names nothing": with_header(crit=[]),
    "crit that names b64": with_header(crit=["b64"], b64=False),
    "an unencoded payload": with_header(b64=False),
    "cty nested": with_header(cty="JWT"),
    "zip": with_header(zip="DEF"),
    "typ JWT": with_header(typ="JWT"),
    "typ missing": with_header(typ=None),
    "typ in other case": with_header(typ="Meterr-Access+JWT"),
    "typ of a refresh token": with_header(typ="meterr-refresh+jwt"),
    "alg twice, ours last": assembled(
        '{"alg":"none",' + json.dumps(HEADER)[1:], json.dumps(PAYLOAD)
    ),
    "alg twice, ours first": assembled(
        json.dumps(HEADER)[:-1] + ',"alg":"none"}', json.dumps(PAYLOAD)
    ),
    "kid twice by an escape": assembled(
        json.dumps(HEADER)[:-1] + ',"ki\\u0064":"s1-current"}', json.dumps(PAYLOAD)
    ),
    "a header that is a list": assembled("[]", json.dumps(PAYLOAD)),
    "a header in UTF-16": f"{b64(json.dumps(HEADER).encode('utf-16'))}.{_P}.{_S}",
    "a header with a byte order mark": assembled(
        "\ufeff" + json.dumps(HEADER), json.dumps(PAYLOAD)
    ),
    # the claims
    **{f"{name} missing": with_claims(**{name: None}) for name in PAYLOAD},
    **{
        f"{name} null": raw_claims(f'"{name}": {json.dumps(value)}', f'"{name}": null')
        for name, value in PAYLOAD.items()
    },
    "sub twice": raw_claims('"sub"', '"sub": "0199aaaa-0000-7000-8000-00000000000f", "sub"'),
    "exp twice": raw_claims('"exp"', f'"exp": {NOW_S + 9}, "exp"'),
    "sid twice by an escape": raw_claims('"sid"', '"s\\u0069d": "a", "sid"'),
    "exp 1e308": raw_claims(f'"exp": {NOW_S + 300}', '"exp": 1e308'),
    "exp NaN": raw_claims(f'"exp": {NOW_S + 300}', '"exp": NaN'),
    "exp Infinity": raw_claims(f'"exp": {NOW_S + 300}', '"exp": Infinity'),
    "exp a float": raw_claims(f'"exp": {NOW_S + 300}', f'"exp": {NOW_S + 300}.0'),
    "exp with an exponent": raw_claims(f'"exp": {NOW_S + 300}', '"exp": 18e8'),
    "exp true": with_claims(exp=True),
    "exp a text": with_claims(exp=str(NOW_S + 300)),
    "exp negative": with_claims(exp=-1),
    "exp of 600 digits": raw_claims(f'"exp": {NOW_S + 300}', '"exp": ' + "9" * 300),
    "exp in a thousand years": with_claims(exp=NOW_S + 31_557_600_000),
    "a life one second longer than ours": with_claims(exp=NOW_S + 301),
    "a life of nothing": with_claims(exp=NOW_S),
    "a life that ends before it begins": with_claims(exp=NOW_S - 1),
    "over": with_claims(iat=NOW_S - 400, nbf=NOW_S - 400, exp=NOW_S - 100),
    "from the future": with_claims(iat=NOW_S + 100, nbf=NOW_S + 100, exp=NOW_S + 200),
    "nbf after iat": with_claims(nbf=NOW_S + 100),
    "nbf before iat": with_claims(nbf=NOW_S - 100),
    "iat true": with_claims(iat=True),
    "iss another": with_claims(iss="meterr.evil"),
    "iss empty": with_claims(iss=""),
    "aud another": with_claims(aud="somebody"),
    "aud a list with us": with_claims(aud=["meterr-api"]),
    "aud a list with others": with_claims(aud=["somebody", "meterr-api"]),
    "sub no id": with_claims(sub="ada@example.com"),
    "sub in capitals": with_claims(sub=CLAIMS.user_id.upper()),
    "sid a path": with_claims(sid="../../etc/passwd"),
    "sid with a newline": with_claims(sid=CLAIMS.session_id + "\n"),
    "jti a number": with_claims(jti=7),
    "a claim that we do not know": with_claims(role="super_admin"),
    "a payload that is a list": assembled(json.dumps(HEADER), "[]"),
    "a payload that is a text": assembled(json.dumps(HEADER), '"x"'),
    "a payload nested deeply": assembled(json.dumps(HEADER), "[" * 500),
    "an empty payload": f"{_H}..{_S}",
    # the form
    "signature stripped": f"{_H}.{_P}.",
    "signature and its dot stripped": f"{_H}.{_P}",
    "signature of another token": f"{_H}.{_P}.{with_claims(jti=CLAIMS.user_id).split('.')[2]}",
    "signature cut short": f"{_H}.{_P}.{_S[:-4]}",
    "signature with bytes behind it": f"{_H}.{_P}.{_S[:-2]}{b64(b'xyz')}",
    "signature of zeros": f"{_H}.{_P}.{b64(bytes(64))}",
    "signature made malleable": _malleable(),
    "payload swapped": f"{_H}.{with_claims(sub=CLAIMS.session_id).split('.')[1]}.{_S}",
    "padding": f"{_H}.{_P}.{_S}==",
    "padding in the header": f"{_H}=.{_P}.{_S}",
    "a newline behind": f"{GOOD}\n",
    "a newline inside": f"{_H}.{_P[:9]}\n{_P[9:]}.{_S}",
    "a space before": f" {GOOD}",
    "the standard alphabet": f"{_H}.{_P}.{_S}".replace("-", "+").replace("_", "/"),
    "unused bits in the last character": f"{_H}.{_P}.{_S[:-1]}{chr(ord(_S[-1]) + 1)}",
    "four parts": f"{GOOD}.{_S}",
    "five parts, as of an encrypted one": f"{_H}..{_P}.{_S}.{_S}",
    "the JSON form": json.dumps({"protected": _H, "payload": _P, "signature": _S}),
    "letters beyond ASCII": f"{_H}.{_P}.{_S[:-1]}é",
    "digits of another script": f"{_H}.{_P}.{_S[:-1]}\u0661",
    "a lone surrogate": f"{_H}.{_P}.{_S[:-1]}\ud800",
    "NUL behind": f"{GOOD}\0",
    "a megabyte": "A" * 1_000_000,
    "a megabyte of dots": "." * 1_000_000,
    "nothing": "",
    "dots": "..",
    "two tokens": f"{GOOD}.{GOOD}",
    "Bearer before it": f"Bearer {GOOD}",
    "with quotes": f'"{GOOD}"',
}
