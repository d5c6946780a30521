"""Which refusals are security events, and which are everyday slips: one table for all."""

import pytest

from meterr.app.smells import events_of
from meterr.core.api.allowance import TooManyRequests
from meterr.core.crypto import Unreadable
from meterr.core.crypto.errors import KeyMissing
from meterr.core.errors import Invalid, MeterrError, NotFound, Unavailable
from meterr.core.events import Event, Kind
from meterr.core.http.body import BodyTooLarge
from meterr.core.http.cross_origin import CrossOrigin
from meterr.core.http.hosts import HostRefused
from meterr.core.http.outbound.errors import OutboundRefused
from meterr.core.policy import Forbidden, ProofNeeded
from meterr.core.telemetry import RequestLine
from meterr.gateway.errors import UpstreamUnreachable
from meterr.gateway.upstream_errors import ADDRESS_REFUSED
from meterr.identity import KeyRefused
from meterr.identity.errors import KeyUnverifiable
from meterr.identity.factors import FactorRefused, PasskeyRefused
from meterr.identity.leaks.signatures import ReportRefused
from meterr.identity.model import Reason
from meterr.identity.passwords import SignInRefused
from meterr.identity.sessions import ChallengeRefused
from meterr.identity.throttle import Kind as Limit
from meterr.identity.throttle import TooManyAttempts

SCOPE = {"client": ("2001:db8::1", 1), "headers": [(b"host", b"evil.example")]}
USER = "0199cccc-0000-7000-8000-00000000000c"
TENANT = "0199aaaa-0000-7000-8000-00000000000a"


def seen(error: Exception, route: str = "keys.read", **line: str) -> list[Event]:
    asked = RequestLine(request_id="1", method="GET", route=route, status=0, duration_ms=0, **line)
    return list(events_of(SCOPE, asked, error))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyRefused(Reason.CHECKSUM), Kind.KEY_MALFORMED),
        (KeyRefused(Reason.UNKNOWN), Kind.KEY_UNKNOWN),
        (KeyRefused(Reason.REVOKED, key_id=USER, tenant_id=TENANT), Kind.KEY_REFUSED),
        (KeyRefused(Reason.ADDRESS, key_id=USER, tenant_id=TENANT), Kind.KEY_REFUSED),
        (SignInRefused("wrong_password"), Kind.SIGN_IN_FAILED),
        (FactorRefused("wrong_code"), Kind.SIGN_IN_FAILED),
        (PasskeyRefused("answer_wrong"), Kind.SIGN_IN_FAILED),
        (ChallengeRefused("used_meanwhile"), Kind.SIGN_IN_FAILED),
        (TooManyAttempts(60, reason="throttled_account"), Kind.SIGN_IN_FAILED),
        (HostRefused("no"), Kind.REQUEST_WRONG_HOST),
        (CrossOrigin("no"), Kind.REQUEST_CROSS_ORIGIN),
        (OutboundRefused(reason="private"), Kind.OUTBOUND_REFUSED),
        (UpstreamUnreachable("no", reason=ADDRESS_REFUSED), Kind.OUTBOUND_REFUSED),
        (ReportRefused("wrong_signature"), Kind.LEAK_REPORT_REFUSED),
        (Unreadable(), Kind.CREDENTIAL_UNDECRYPTABLE),
        (KeyMissing("no key"), Kind.CREDENTIAL_UNDECRYPTABLE),
    ],
)
def test_what_smells_is_one_event(error: Exception, kind: Kind) -> None:
    """Issue 4: a clear, boring error, and an event where it smells."""
    assert [kind] == [event.kind for event in seen(error)]


@pytest.mark.parametrize(
    "error",
    [
        KeyRefused(Reason.MISSING),
        KeyUnverifiable("away"),
        Invalid("no"),
        NotFound("no"),
        Forbidden("no"),
        BodyTooLarge("no"),
        Unavailable("away"),
        UpstreamUnreachable("no"),
        MeterrError("a fault of ours"),
        ValueError("a fault of ours"),
    ],
)
def test_slips_and_outages_of_strangers_are_none(error: Exception) -> None:
    """Who asks for what is not there, or without a key, is no attack; a 503 is no event."""
    assert [] == seen(error)


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("no")])
def test_whoever_is_signed_in_and_asks_for_what_is_not_theirs(error: MeterrError) -> None:
    """Looking for ids of others is told by how often; a proof that is still due is not."""
    (event,) = seen(error, user_id=USER)
    assert (Kind.ACCESS_DENIED, USER, "keys.read") == (
        event.kind,
        event.source.actor_id,
        event.detail["route"],
    )
    assert [] == seen(ProofNeeded(("mfa",)), user_id=USER)


def test_questions_that_were_too_many_to_be_read_are_counted() -> None:
    """Issue 5.4: every question is on record; whose rate was used up, as one row an interval."""
    for route in ("query.ask", "query.ask_there"):
        (event,) = seen(TooManyRequests(60), route, key_id=USER, tenant_id=TENANT)
        assert (Kind.QUERY_LIMITED, TENANT, USER) == (
            event.kind,
            event.tenant_id,
            event.source.actor_id,
        )
    assert [] == seen(TooManyRequests(60), key_id=USER, tenant_id=TENANT)


def test_the_attempt_that_begins_a_pause_says_which_limits_it_filled() -> None:
    """Once an incident, beside the failure itself; the network, never the address of an account."""
    began = (Limit.ACCOUNT_HERE, Limit.ADDRESS)
    failed, paused = seen(SignInRefused("wrong_password", began, USER))
    assert (Kind.SIGN_IN_FAILED, USER) == (failed.kind, failed.target.id)
    assert (Kind.SIGN_IN_PAUSED, {"limits": "account_here address"}) == (
        paused.kind,
        dict(paused.detail),
    )
    assert "2001:db8::/64" == paused.source.network


def test_a_known_key_is_told_by_its_id_and_to_its_tenant() -> None:
    """A revoked key that is used on is its tenant's trouble."""
    (event,) = seen(KeyRefused(Reason.REVOKED, key_id=USER, tenant_id=TENANT))
    assert (TENANT, USER, "revoked") == (event.tenant_id, event.target.id, event.detail["reason"])
