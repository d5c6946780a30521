"""The law of families, against an oracle: any order of exchanges, repeats, waits and sign-outs."""

import asyncio
from dataclasses import dataclass, field

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from meterr.identity.sessions import Grant, SessionRefused
from support.sessions import LAPTOP, SessionHouse

GRACE_MS = 10_000
IDLE_MS = 3_600_000
WAITS_MS = (1, 5_000, GRACE_MS, GRACE_MS + 1, 60_000, IDLE_MS - 1, IDLE_MS)


@dataclass
class Oracle:
    """What ought to be true of one family, said once more and differently."""

    seen_ms: int
    ends_ms: int
    tokens: list[str]
    exchanged_ms: int = 0
    because: str | None = None
    told_reused: int = 0
    texts: set[str] = field(default_factory=set)

    def expect(self, place: int, now_ms: int) -> str:
        """Return what presenting the token of that place must lead to, and take it over."""
        if self.because is not None:
            return "refused"
        if now_ms >= self.ends_ms or now_ms - self.seen_ms >= IDLE_MS:
            self.because = "over" if now_ms >= self.ends_ms else "idle"
            return "refused"
        newest = len(self.tokens) - 1
        if place == newest:
            self.seen_ms = self.exchanged_ms = now_ms
            return "next"
        if place == newest - 1 and now_ms - self.exchanged_ms <= GRACE_MS:
            return "same"
        self.because = "reused"
        return "reused"


class Families(RuleBasedStateMachine):
    """One family, and whatever may happen to it; the house is given by the test."""

    house: SessionHouse
    runner: asyncio.Runner
    admin_dsn: str

    @initialize()
    def sign_in(self) -> None:
        grant: Grant = self.runner.run(self.house.begin())
        self.session_id = grant.session_id
        now_ms = self.house.clock.now_ms
        self.oracle = Oracle(
            seen_ms=now_ms,
            ends_ms=now_ms + self.house.issuer.lifetimes.absolute_s * 1000,
            tokens=[grant.refresh],
        )
        self.latest = grant

    @rule(back=st.integers(0, 3))
    def present(self, back: int) -> None:
        place = max(0, len(self.oracle.tokens) - 1 - back)
        token = self.oracle.tokens[place]
        expected = self.oracle.expect(place, self.house.clock.now_ms)
        try:
            found = self.runner.run(self.house.sessions.refresh(token, LAPTOP))
        except SessionRefused:
            assert "refused" == expected
            return
        assert ("reused" == expected) == found.reused
        if found.grant is None:
            self.oracle.told_reused += 1
            return
        assert self.session_id == found.grant.session_id
        if expected == "same":
            assert self.oracle.tokens[-1] == found.grant.refresh
        else:
            assert "next" == expected
            assert found.grant.refresh not in self.oracle.tokens
            self.oracle.tokens.append(found.grant.refresh)
        self.latest = found.grant

    @rule(wait_ms=st.sampled_from(WAITS_MS))
    def wait(self, wait_ms: int) -> None:
        self.house.clock.now_ms += wait_ms

    @rule()
    def sign_out(self) -> None:
        self.runner.run(self.house.sessions.sign_out_with(self.oracle.tokens[0]))
        self.oracle.because = self.oracle.because or "signed_out"

    @invariant()
    def the_database_says_the_same(self) -> None:
        with psycopg.connect(self.admin_dsn) as connection:
            row = connection.execute(
                "select generation, ended_because from meterr.user_session where session_id = %s",
                [self.session_id],
            ).fetchone()
        assert (len(self.oracle.tokens) - 1, self.oracle.because) == row

    @invariant()
    def an_access_token_counts_while_its_family_and_itself_last(self) -> None:
        in_time = self.house.clock.now_ms // 1000 < self.latest.access_ends_at_ms // 1000 + 5
        over = self.house.clock.now_ms >= self.oracle.ends_ms
        lasts = self.oracle.because is None and in_time and not over
        assert lasts == self.runner.run(self.house.counts(self.latest))

    @invariant()
    def reuse_is_told_at_most_once(self) -> None:
        assert self.oracle.told_reused <= 1


def test_every_order_of_events_leads_where_the_rule_says(database_url: str, admin_dsn: str) -> None:
    """Section 5: replay ends the family, a repeat within 10 s does not, and nothing else does."""
    with asyncio.Runner() as runner:
        opening = SessionHouse.open(database_url)
        house = runner.run(opening.__aenter__())
        given = {"runner": runner, "admin_dsn": admin_dsn}
        try:
            runner.run(house.person())
            run_state_machine_as_test(
                type("Here", (Families,), {**given, "house": house}),
                settings=settings(
                    max_examples=25,
                    stateful_step_count=12,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(opening.__aexit__(None, None, None))
    assert house.hasher.verifications
