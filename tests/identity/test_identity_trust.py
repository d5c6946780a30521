"""When memory may be believed: the state machine under a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.identity.model import Outage
from meterr.identity.trust import ABSENCE_S_MAX, TRUST_S, UNREACHABLE_S, Standing, Trust


def listening(at: float = 100.0, on_outage: Outage = Outage.SERVE_WARM) -> Trust:
    """A process whose heartbeat of ``at`` came back."""
    trust = Trust(on_outage)
    trust.reached()
    trust.synced()
    trust.echoed(at)
    return trust


def cut(at: float = 100.0, on_outage: Outage = Outage.SERVE_WARM) -> Trust:
    """The same process after its connection broke."""
    trust = listening(at, on_outage)
    trust.lost()
    return trust


class TestLive:
    def test_a_process_starts_deaf(self) -> None:
        """P5: nothing is believed before the first echo."""
        assert Standing.DEAF is Trust(Outage.SERVE_WARM).standing(0)

    def test_memory_counts_for_one_second_after_the_echoed_beat_was_sent(self) -> None:
        """P5: the second counts from the sending, not from the arrival of the echo."""
        trust = listening(at=100.0)
        assert Standing.LIVE is trust.standing(100.999)
        assert Standing.DEAF is trust.standing(101.0)
        assert 101.0 == trust.memory_until

    def test_an_echo_before_the_memory_was_read_again_proves_nothing(self) -> None:
        """After a gap, what memory holds may be stale however well we hear now."""
        trust = Trust(Outage.SERVE_WARM)
        trust.reached()
        trust.echoed(100.0)
        assert Standing.DEAF is trust.standing(100.1)

    def test_an_echo_that_arrives_late_never_shortens_what_is_known(self) -> None:
        """Echoes may only add."""
        trust = listening(at=100.0)
        trust.echoed(99.0)
        assert Standing.LIVE is trust.standing(100.9)

    @pytest.mark.parametrize("verdict", ["absent", "unreachable"])
    def test_a_bad_probe_does_not_overrule_an_echo(self, verdict: str) -> None:
        """We hear the server: whoever could not reach it met another trouble."""
        trust = listening(at=100.0)
        getattr(trust, verdict)(100.5)
        assert Standing.LIVE is trust.standing(100.6)
        assert Standing.DEAF is trust.standing(101.0)


class TestDeaf:
    def test_a_lost_connection_ends_belief_at_once(self) -> None:
        """P5: without a listener the next revocation would not reach us."""
        trust = cut(at=100.0)
        assert Standing.DEAF is trust.standing(100.1)
        assert trust.memory_until <= 100.1

    def test_a_new_connection_is_not_enough(self) -> None:
        """Between the loss and the new LISTEN anything may have been committed."""
        trust = cut(at=100.0)
        trust.reached()
        assert Standing.DEAF is trust.standing(100.2)
        trust.synced()
        assert Standing.DEAF is trust.standing(100.2)
        trust.echoed(100.2)
        assert Standing.LIVE is trust.standing(100.3)


class TestAbsent:
    def test_a_server_that_does_not_run_cannot_revoke(self) -> None:
        """DESIGN 7, PostgreSQL away: warm keys keep working."""
        trust = cut(at=100.0)
        trust.absent(100.3)
        assert Standing.ABSENT is trust.standing(100.4)
        assert 101.3 == trust.memory_until

    def test_it_lasts_as_long_as_it_is_proven(self) -> None:
        """The proof is renewed by probing, for as long as the outage takes."""
        trust = cut(at=100.0)
        for quarter in range(1, 401):
            trust.absent(100.0 + quarter / 4)
        assert Standing.ABSENT is trust.standing(200.9)
        assert trust.memory_until == 201.0
        assert Standing.DEAF is trust.standing(201.0)

    def test_what_was_last_known_a_second_before_the_proof_does_not_count(self) -> None:
        """Deaf first, absent later: a revocation may have been committed in between."""
        trust = cut(at=100.0)
        trust.absent(101.0)
        assert Standing.ABSENT is trust.standing(101.1)
        assert trust.memory_until < 101.0
        assert not trust.holds_in_absence(read_at=99.0)
        assert trust.holds_in_absence(read_at=100.5)

    def test_the_policy_refuse_believes_nothing(self) -> None:
        """A word at the call site: for servers that fail over to an address we do not know."""
        trust = cut(at=100.0, on_outage=Outage.REFUSE)
        trust.absent(100.3)
        assert Standing.ABSENT is trust.standing(100.4)
        assert not trust.holds_in_absence(read_at=100.2)
        assert trust.memory_until < 100.0

    def test_absence_is_not_believed_for_ever(self) -> None:
        """P5: it may be a stopped pooler in front of a server that others reach."""
        trust = cut(at=100.0)
        for second in range(int(ABSENCE_S_MAX) + 2):
            trust.absent(100.3 + second)
        assert not trust.holds_in_absence(read_at=100.2)
        assert trust.memory_until < 100.3 + ABSENCE_S_MAX

    def test_an_absence_interrupted_by_silence_starts_anew(self) -> None:
        """While we could not look, a server may have run and revoked."""
        trust = cut(at=100.0)
        trust.absent(100.3)
        trust.unreachable(100.6)
        assert Standing.UNREACHABLE is trust.standing(100.7)
        trust.absent(102.0)
        assert Standing.ABSENT is trust.standing(102.1)
        assert not trust.holds_in_absence(read_at=99.9)

    def test_a_server_that_came_back_ends_it(self) -> None:
        """From here on somebody can revoke again."""
        trust = cut(at=100.0)
        trust.absent(100.3)
        trust.reached()
        assert Standing.DEAF is trust.standing(100.4)
        assert trust.memory_until < 100.0


class TestUnreachable:
    def test_it_fails_closed_until_somebody_looks_again(self) -> None:
        """DESIGN 7: a frozen or cut-off server is no proof of absence."""
        trust = cut(at=100.0)
        trust.unreachable(100.3)
        assert Standing.UNREACHABLE is trust.standing(100.3 + UNREACHABLE_S - 0.01)
        assert Standing.DEAF is trust.standing(100.3 + UNREACHABLE_S)
        assert not trust.holds_in_absence(read_at=100.2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reached", "synced", "echo", "lost", "absent", "unreachable"]),
            st.floats(0.0, 0.7),
        ),
        max_size=40,
    )
)
def test_memory_is_never_believed_without_an_echo_or_a_proof_in_the_last_second(
    story: list[tuple[str, float]],
) -> None:
    """P5 as a law, whatever happens in whatever order."""
    trust, now = Trust(Outage.SERVE_WARM), 0.0
    last_evidence = float("-inf")
    for event, passed in story:
        now += passed
        if event == "echo":
            trust.echoed(now)
        elif event in ("absent", "unreachable"):
            getattr(trust, event)(now)
        else:
            getattr(trust, event)()
        if event in ("echo", "absent"):
            last_evidence = now
        if trust.memory_until > now:
            assert last_evidence > now - TRUST_S
            assert trust.standing(now) in (Standing.LIVE, Standing.ABSENT)
