"""Passkeys, with an authenticator in software: what signs in, and everything that does not."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterr.core.policy import Role
from meterr.identity.factors import PasskeyProof, PasskeyRefused, find_enrolled
from meterr.identity.factors.errors import LastFactor
from meterr.identity.factors.relying_party import RelyingPartyRefused, relying_party
from meterr.identity.factors.webauthn_ceremonies import WebAuthn
from meterr.identity.people import Person, disable_user
from support.authenticator import PRESENT, VERIFIED, Authenticator, decoded, encoded
from support.people import HERE, OPERATOR, ORIGIN, PeopleHouse, outcomes

_CEREMONIES = WebAuthn(relying_party(ORIGIN))


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


@pytest.fixture
async def ada(house: PeopleHouse) -> Person:
    return await house.person("ada@example.com", Role.ADMIN)


async def registered(house: PeopleHouse, person: Person) -> Authenticator:
    """Return an authenticator with a passkey of ``person``."""
    device = Authenticator(ORIGIN)
    options = await house.passkeys.begin_registration(person)
    await house.passkeys.finish_registration(person, "laptop", device.create(options))
    return device


async def sign_in(house: PeopleHouse, device: Authenticator, **forged: object) -> PasskeyProof:
    options = await house.passkeys.begin_sign_in(HERE)
    return await house.passkeys.finish_sign_in(HERE, device.get(options, **forged))


async def test_a_registered_passkey_signs_its_person_in(house: PeopleHouse, ada: Person) -> None:
    """S2:77: passkeys; two factors in one, without a password and without naming the account."""
    device = await registered(house, ada)

    proof = await sign_in(house, device)

    assert (ada.user.user_id, house.clock.now_ms) == (proof.person.user.user_id, proof.at_ms)
    assert {house.tenant_id: Role.ADMIN} == proof.person.roles
    (listed,) = await house.passkeys.list(ada.user.user_id)
    assert ("laptop", house.clock.now_ms) == (listed.name, listed.last_used_at_ms)
    assert 1 == (await find_enrolled(house.db, ada.user.user_id)).passkeys


async def test_the_browser_is_asked_to_verify_the_user_and_tells_no_accounts(
    house: PeopleHouse, ada: Person
) -> None:
    """Enumeration-safe: without a name the options are the same for everybody."""
    device = await registered(house, ada)
    anonymous = json.loads(await house.passkeys.begin_sign_in(HERE))
    bound = json.loads(await house.passkeys.begin_sign_in(HERE, ada.user.user_id))
    creation = json.loads(await house.passkeys.begin_registration(ada))

    assert {"required"} == {
        anonymous["userVerification"],
        bound["userVerification"],
        creation["authenticatorSelection"]["userVerification"],
    }
    assert not anonymous["allowCredentials"]
    assert [encoded(device.credential_id)] == [each["id"] for each in bound["allowCredentials"]]
    assert [encoded(device.credential_id)] == [e["id"] for e in creation["excludeCredentials"]]
    assert "meterr.example.com" == anonymous["rpId"] == creation["rp"]["id"]


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://meterr.example.com.evil.example"},
        {"origin": "http://meterr.example.com"},
        {"type": "webauthn.create"},
        {"rp_id": "example.com"},
        {"challenge": encoded(bytes(32))},
        {"user_handle": bytes(16)},
        {"user_handle": b""},
        {"user_handle": b"short"},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_for_us_is_refused(
    house: PeopleHouse, ada: Person, forged: dict[str, object]
) -> None:
    """Origin, ceremony, domain, challenge and account are compared exactly."""
    device = await registered(house, ada)

    with pytest.raises(PasskeyRefused):
        await sign_in(house, device, **forged)
    assert await sign_in(house, device)


@pytest.mark.parametrize("flags", [0, PRESENT, VERIFIED], ids=["nobody", "no PIN", "not present"])
async def test_a_person_must_be_present_and_verified(
    house: PeopleHouse, ada: Person, flags: int
) -> None:
    """User verification is what makes a passkey two factors."""
    device = await registered(house, ada)
    device.flags = flags
    with pytest.raises(PasskeyRefused):
        await sign_in(house, device)

    unverified = Authenticator(ORIGIN, flags=flags)
    options = await house.passkeys.begin_registration(ada)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_registration(ada, "x", unverified.create(options))


async def test_another_key_cannot_answer_for_a_passkey(house: PeopleHouse, ada: Person) -> None:
    """The signature is over our challenge, by the registered key."""
    device = await registered(house, ada)
    thief = Authenticator(
        ORIGIN, credential_id=device.credential_id, user_handle=device.user_handle, count=10
    )
    with pytest.raises(PasskeyRefused):
        await sign_in(house, thief)


async def test_of_50_answers_to_one_challenge_one_counts(house: PeopleHouse, ada: Person) -> None:
    """A challenge is good once, whatever is sent at the same time."""
    device = await registered(house, ada)
    options = await house.passkeys.begin_sign_in(HERE)
    answer = device.get(options)

    found = await outcomes(*(house.passkeys.finish_sign_in(HERE, answer) for _ in range(50)))

    assert 1 == sum(isinstance(each, PasskeyProof) for each in found)
    assert 49 == sum(isinstance(each, PasskeyRefused) for each in found)


async def test_a_challenge_is_over_after_five_minutes(house: PeopleHouse, ada: Person) -> None:
    """Expiry is stored with it."""
    device = await registered(house, ada)
    options = await house.passkeys.begin_sign_in(HERE)
    house.clock.advance(5 * 60)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_sign_in(HERE, device.get(options))


async def test_a_wrong_answer_uses_its_challenge_up(house: PeopleHouse, ada: Person) -> None:
    """Nobody tries twice against one challenge."""
    device = await registered(house, ada)
    options = await house.passkeys.begin_sign_in(HERE)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_sign_in(
            HERE, device.get(options, origin="https://evil.example")
        )
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_sign_in(HERE, device.get(options))


async def test_a_challenge_is_for_one_ceremony_and_one_person(
    house: PeopleHouse, ada: Person
) -> None:
    """A challenge to register does not sign in, and Ada's is not for Bob."""
    bob = await house.person("bob@example.com")
    device = await registered(house, ada)
    creation = json.loads(await house.passkeys.begin_registration(ada))
    stolen = json.dumps({"challenge": creation["challenge"], "rpId": "meterr.example.com"})
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_sign_in(HERE, device.get(stolen))

    for_ada = await house.passkeys.begin_registration(ada)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_registration(bob, "x", Authenticator(ORIGIN).create(for_ada))

    step_up = await house.passkeys.begin_sign_in(HERE, bob.user.user_id)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_sign_in(HERE, device.get(step_up), bob.user.user_id)


async def test_the_count_only_rises(house: PeopleHouse, ada: Person) -> None:
    """A cloned authenticator shows itself by its count."""
    device = await registered(house, ada)
    await sign_in(house, device)
    device.count -= 1
    with pytest.raises(PasskeyRefused):
        await sign_in(house, device)

    quiet = Authenticator(ORIGIN, counts=False)
    options = await house.passkeys.begin_registration(ada)
    await house.passkeys.finish_registration(ada, "phone", quiet.create(options))
    assert await sign_in(house, quiet)
    assert await sign_in(house, quiet)


async def test_a_passkey_is_registered_once(house: PeopleHouse, ada: Person) -> None:
    """Not even for somebody else."""
    bob = await house.person("bob@example.com")
    device = await registered(house, ada)
    options = await house.passkeys.begin_registration(bob)
    with pytest.raises(PasskeyRefused):
        await house.passkeys.finish_registration(bob, "x", device.create(options))


async def test_a_removed_passkey_and_a_disabled_person_are_refused(
    house: PeopleHouse, ada: Person
) -> None:
    """Ended is ended; an admin keeps one factor."""
    device, other = await registered(house, ada), await registered(house, ada)
    await house.passkeys.remove(ada, device.credential_id)
    with pytest.raises(PasskeyRefused):
        await sign_in(house, device)
    with pytest.raises(LastFactor):
        await house.passkeys.remove(ada, other.credential_id)
    assert await sign_in(house, other)

    await disable_user(
        house.db, house.clock, by=OPERATOR, user_id=ada.user.user_id, leaving_no_admin=True
    )
    with pytest.raises(PasskeyRefused):
        await sign_in(house, other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle", "id"]),
    value=json_values,
    raw=st.binary(max_size=64),
    use_raw=st.booleans(),
)
def test_whatever_a_browser_sends_is_an_answer_or_none(
    field: str, value: object, raw: bytes, use_raw: bool
) -> None:
    """S1:27: no exception of a library's own, however the five encodings are broken."""
    device = Authenticator(ORIGIN, user_handle=bytes(16))
    sent = json.loads(device.get(json.dumps({"challenge": encoded(bytes(32)), "rpId": "a.b"})))
    where = sent if field == "id" else sent["response"]
    where[field] = encoded(raw) if use_raw else value
    response = json.dumps(sent)

    said = _CEREMONIES.asserted(response)
    assert said is None or isinstance(said.challenge, bytes)
    assert _CEREMONIES.challenge_of_registration(response) is None
    assert _CEREMONIES.verified_registration(response, b"") is None


@pytest.mark.parametrize("response", ["", "null", "[]", "{}", "x" * 100_000, "{" * 5000])
def test_what_is_no_object_is_no_answer(response: str) -> None:
    """Bounded and total."""
    assert _CEREMONIES.asserted(response) is None
    assert _CEREMONIES.challenge_of_registration(response) is None


@pytest.mark.parametrize(
    ("origin", "rp_id"),
    [
        ("https://meterr.example.com", None),
        ("https://meterr.example.com:8443", "example.com"),
        ("http://localhost:8080", None),
    ],
)
def test_an_origin_that_browsers_accept_is_taken(origin: str, rp_id: str | None) -> None:
    """The positive space."""
    assert origin == relying_party(origin, rp_id).origin
    assert b"" == decoded("")


@pytest.mark.parametrize(
    ("origin", "rp_id"),
    [
        ("", None),
        ("meterr.example.com", None),
        ("http://meterr.example.com", None),
        ("https://meterr.example.com/", None),
        ("https://METERR.example.com", None),
        ("https://a@meterr.example.com", None),
        ("https://192.0.2.1", None),
        ("https://meterr.example.com:port", None),
        ("https://meterr.example.com", "evil.example"),
        ("https://meterr.example.com", "ample.com"),
        ("https://meterr.example.com", "com"),
        ("https://meterr.example.com", ""),
    ],
)
def test_an_origin_that_browsers_refuse_is_refused_by_name(origin: str, rp_id: str | None) -> None:
    """Told at start, not by a browser to the first user."""
    with pytest.raises(RelyingPartyRefused):
        relying_party(origin, rp_id)
