"""Keys that do not count: one public text for all reasons, and nobody's ledger."""

import os

import pytest

from meterr.core.principal import Scope
from meterr.identity.api_key import Environment, mint
from support.conversation import (
    BODIES,
    CHAT,
    COUNT_TOKENS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    Conversation,
    keyless,
)
from support.refusals import assert_refused

FAMILIES = [CHAT, MESSAGES]
PUBLIC = "This API key is not valid."


def wrong_checksum(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def unknown_key() -> str:
    return mint(Environment.LIVE, os.urandom).reveal()


MALFORMED = ["sk-proj-somebody-elses", "x", "sk-meterr_live_short", "é", "a b", "\t,", "s" * 60_000]


@pytest.mark.parametrize("path", BODIES)
def test_no_key_is_answered_with_how_to_send_one(meterr: Conversation, path: str) -> None:
    """Bad input: the text names both headers."""
    answer = meterr.wire.send("POST", path, BODIES[path], keyless(path))
    assert_refused(path, answer, 401, "Authorization: Bearer", "x-api-key")
    assert meterr.no_entry(answer)


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("key", MALFORMED, ids=lambda key: key[:12])
def test_a_malformed_key_is_refused(meterr: Conversation, path: str, key: str) -> None:
    """Bad input: whatever the bytes are, it is a 401 and no look-up."""
    header = {"authorization": f"Bearer {key}".encode().decode("latin-1")}
    answer = meterr.wire.send("POST", path, BODIES[path], {**keyless(path), **header})
    assert_refused(path, answer, 401, PUBLIC)
    assert meterr.no_entry(answer)


@pytest.mark.parametrize("path", FAMILIES)
def test_wrong_unknown_expired_and_revoked_keys_get_the_same_answer(
    meterr: Conversation, path: str
) -> None:
    """S1:157: nobody learns which it was: not whether a key ever existed, and not for whom."""
    expired, revoked = meterr.house.new_key(name="e"), meterr.house.new_key(name="r")
    meterr.execute(
        "update meterr.api_key set expires_at = now() - interval '1 second' where last4 = %s",
        expired[-4:],
    )
    meterr.execute(
        "update meterr.api_key set state = 'revoked', revoked_at = now() where last4 = %s",
        revoked[-4:],
    )
    keys = [wrong_checksum(meterr.house.key), unknown_key(), expired, revoked]
    answers = [meterr.post(path, BODIES[path], key=key) for key in keys]
    for answer in answers:
        assert_refused(path, answer, 401, PUBLIC)
        assert "false" == answer.headers["x-should-retry"]
    ids = [answer.headers["x-meterr-request-id"].encode() for answer in answers]
    texts = {answer.body.replace(own, b"") for answer, own in zip(answers, ids, strict=True)}
    assert 1 == len(texts)
    assert all(meterr.no_entry(answer) for answer in answers)


def test_a_warm_key_that_is_revoked_is_refused(meterr: Conversation) -> None:
    """P5: revoked means revoked, also for a key that this process has in memory."""
    key = meterr.house.new_key(name="w")
    assert 200 == meterr.post(CHAT, BODIES[CHAT], key=key).status
    meterr.execute(
        "update meterr.api_key set state = 'revoked', revoked_at = now() where last4 = %s", key[-4:]
    )
    meterr.house.until(lambda: 401 == meterr.post(CHAT, BODIES[CHAT], key=key).status, 5)
    assert_refused(CHAT, meterr.post(CHAT, BODIES[CHAT], key=key), 401, PUBLIC)


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (CHAT, Scope.CHAT),
        (EMBEDDINGS, Scope.EMBEDDINGS),
        (RESPONSES, Scope.CHAT),
        (MESSAGES, Scope.CHAT),
        (COUNT_TOKENS, Scope.CHAT),
    ],
)
def test_a_key_without_the_scope_is_refused_and_its_owner_sees_it(
    meterr: Conversation, path: str, scope: Scope
) -> None:
    """Bad input: 403 names the scope; a known key's refusal has an entry."""
    others = [each.value for each in Scope if each is not scope]
    answer = meterr.post(path, BODIES[path], key=meterr.house.new_key(scopes=others))
    assert_refused(path, answer, 403, f"'{scope.value}'")
    entry = meterr.entry(answer)
    assert ("refused", 403, "scope-missing", None) == (
        entry["state"],
        entry["status"],
        entry["error"],
        entry["cost_usd"],
    )


def test_models_need_their_own_scope(meterr: Conversation) -> None:
    """Bad input: the list of models is no public page."""
    key = meterr.house.new_key(scopes=[Scope.CHAT.value])
    answer = meterr.wire.send("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    assert_refused(CHAT, answer, 403, "'models'")


@pytest.mark.parametrize("first", ["good", "bad"])
def test_a_bearer_token_counts_before_x_api_key(meterr: Conversation, first: str) -> None:
    """4.2, 1: with two keys it is always the same one that decides, in any order of the headers."""
    good, bad = meterr.house.key, unknown_key()
    bearer, other = (good, bad) if first == "good" else (bad, good)
    pairs = [("x-api-key", other), ("authorization", f"Bearer {bearer}")]
    for headers in (dict(pairs), dict(reversed(pairs))):
        answer = meterr.wire.send(
            "POST", CHAT, BODIES[CHAT], {"content-type": "application/json", **headers}
        )
        assert (200 if first == "good" else 401) == answer.status
