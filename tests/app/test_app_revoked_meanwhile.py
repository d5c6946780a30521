"""A key that is revoked, or loses a scope, while its request is still arriving."""

import json

import pytest

from support.conversation import BODIES, CHAT, Conversation
from support.raw_http import first, request


@pytest.mark.parametrize(
    ("change", "status"),
    [("state = 'revoked', revoked_at = now()", 401), ("scopes = '{embeddings}'", 403)],
    ids=["revoked", "without its scope"],
)
def test_a_request_that_arrives_slowly_does_not_outlive_its_key(
    meterr: Conversation, change: str, status: int
) -> None:
    """P5, attack: a half-sent request, parked while its key changes, is judged when whole."""
    key = meterr.house.new_key(name="parked")
    body = json.dumps(BODIES[CHAT]).encode()
    kept = {"authorization", "x-api-key", "content-length"}
    headers = {name: value for name, value in meterr.own(CHAT).items() if name.lower() not in kept}
    headers |= {"authorization": f"Bearer {key}", "content-length": str(len(body))}
    parked = meterr.raw(request("POST", CHAT, headers) + body[:-1])
    # The gateway reads in order: once this one is answered, the parked head has been judged.
    assert 200 == meterr.post(CHAT, BODIES[CHAT], key=key).status
    meterr.execute(f"update meterr.api_key set {change} where last4 = %s", key[-4:])
    while meterr.post(CHAT, BODIES[CHAT], key=key).status != status:
        pass

    parked.sendall(body[-1:])

    assert status == first(parked).status
