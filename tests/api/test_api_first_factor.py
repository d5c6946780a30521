"""The first factor: somebody who has none yet shows that it is them by signing in."""

import psycopg

from support.api_house import ApiHouse, told
from support.someone import Someone, enrolled

_FACTORS = "/api/v1/me/factors"


def aged(api: ApiHouse, session_id: str) -> None:
    """Let a session have begun eleven minutes ago."""
    with psycopg.connect(api.house.admin_dsn) as connection:
        connection.execute(
            """update meterr.user_session set created_at = created_at - interval '11 minutes'
                where session_id = %s""",
            [session_id],
        )


def test_it_needs_a_session_that_just_began(api: ApiHouse) -> None:
    """A stolen token of minutes would become a passkey of the thief's, which signs in for ever."""
    grant = api.grant("user-elsewhere", new=True)
    aged(api, grant.session_id)
    headers = {"authorization": f"Bearer {grant.access.get_secret_value()}"}
    for method, path, body in (
        ("POST", "totp/begin", None),
        ("PUT", "totp", {"code": "123456"}),
        ("POST", "passkeys/begin", None),
        ("POST", "passkeys", {"name": "x", "credential": {}}),
    ):
        answer = api.send(method, f"{_FACTORS}/{path}", body, headers)
        assert (403, "proof-needed") == (answer.status, told(answer)["code"]), path
        assert "sign in again" in told(answer)["detail"]
    assert 200 == api.send("GET", _FACTORS, headers=headers).status


def test_refreshing_a_session_does_not_make_it_begin_anew(api: ApiHouse) -> None:
    """Whoever holds the refresh token holds no password."""
    grant = api.grant("user-elsewhere", new=True)
    aged(api, grant.session_id)
    body = {"refresh_token": grant.refresh.get_secret_value()}
    fresh = told(api.send("POST", "/api/v1/sessions/refresh", body))["access_token"]
    headers = {"authorization": f"Bearer {fresh}"}
    assert 403 == api.send("POST", f"{_FACTORS}/passkeys/begin", headers=headers).status


def test_signing_in_again_is_the_way_out(api: ApiHouse) -> None:
    """The positive space: a session that just began makes the first factor."""
    ada = Someone(api, "first-factor@example.com", "198.51.100.61")
    assert 200 == ada.with_passkey(enrolled(ada)).status
