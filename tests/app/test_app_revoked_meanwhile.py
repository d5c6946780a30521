"""A key that is revoked while its request is still arriving."""

import json

from support.conversation import BODIES, CHAT, Conversation
from support.raw_http import first, request


def test_a_request_that_arrives_slowly_does_not_outlive_its_key(meterr: Conversation) -> None:
    """P5, attack: a half-sent request, parked while its key is revoked, is refused when whole."""
    key = meterr.house.new_key(name="parked")
    assert 200 == meterr.post(CHAT, BODIES[CHAT], key=key).status
    body = json.dumps(BODIES[CHAT]).encode()
    kept = {"authorization", "x-api-key", "content-length"}
    headers = {name: value for name, value in meterr.own(CHAT).items() if name.lower() not in kept}
    headers |= {"authorization": f"Bearer {key}", "content-length": str(len(body))}
    parked = meterr.raw(request("POST", CHAT, headers) + body[:-1])
    meterr.execute(
        "update meterr.api_key set state = 'revoked', revoked_at = now() where last4 = %s", key[-4:]
    )
    while meterr.post(CHAT, BODIES[CHAT], key=key).status != 401:
        pass

    parked.sendall(body[-1:])

    assert 401 == first(parked).status
