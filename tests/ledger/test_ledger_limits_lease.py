"""The lease rule against a slow oracle: processes, one window, and everything that fails."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from limit_oracle import Call, Pool, account, limit

from meterr.core.limits import Measure
from meterr.ledger.limits.account import Account
from meterr.ledger.limits.lease import Lease, Nature
from meterr.ledger.limits.store import Wish

PROCESSES = ("a", "b", "c")
AMOUNT = 640
WAITS_S = 10.0
sizes = st.integers(1, 250)
who = st.sampled_from(PROCESSES)


class Processes(RuleBasedStateMachine):
    """Calls are written down one by one; nothing here adds up what the leases add up."""

    measure = Measure.USD
    sizes = sizes

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.rule = limit(self.measure, AMOUNT)
        self.pool = Pool(self.rule, AMOUNT)
        self.lives = 0
        self.names: dict[str, str] = {}
        self.accounts: dict[str, Account] = {}
        self.late: list[Wish] = []
        self.calls: list[Call] = []
        self.closed: list[Call] = []
        for slot in PROCESSES:
            self._born(slot)

    @initialize(cost=st.sampled_from([0, 100, AMOUNT]))
    def calls_of_before_the_limit(self, cost: int) -> None:
        if self.measure is Measure.USD:
            self.pool.taken = cost
            self.closed.append(Call("before", self.now, cost, None, used=cost))

    def _born(self, slot: str) -> None:
        self.lives += 1
        self.names[slot] = f"{slot}{self.lives}"
        self.accounts[slot] = account(self.rule)

    def _exchange(self, slot: str, need: int, *, lost: bool) -> None:
        holds = self.accounts[slot]
        if need:
            holds.needs.append(need)
        wish = holds.wish(self.names[slot], self.now)
        lent = self.pool.exchange(wish, self.now)
        if not lost:
            holds.learn(lent, holds.begun, self.now)
        holds.needs.clear()

    def _call(self, slot: str, need: int) -> bool:
        holds = self.accounts[slot]
        part = holds.take(need, self.now)
        if part is None:
            return False
        self.calls.append(Call(slot, self.now, need, part[2]))
        return True

    @rule(slot=who, data=st.data())
    def call(self, slot: str, data: st.DataObject) -> None:
        need = data.draw(self.sizes)
        if not self._call(slot, need):
            self._exchange(slot, need, lost=False)
            self._call(slot, need)

    @rule(slot=who, need=sizes)
    def answer_is_lost(self, slot: str, need: int) -> None:
        self._exchange(slot, need, lost=True)

    @rule(slot=who)
    def surplus_goes_back(self, slot: str) -> None:
        self._exchange(slot, 0, lost=False)

    @rule(slot=who)
    def surplus_goes_back_unheard(self, slot: str) -> None:
        self._exchange(slot, 0, lost=True)

    @rule(slot=who, need=sizes)
    def statement_is_delayed(self, slot: str, need: int) -> None:
        holds = self.accounts[slot]
        holds.needs.append(need)
        self.late.append(holds.wish(self.names[slot], self.now))
        holds.needs.clear()

    @rule(slot=who)
    def return_is_delayed(self, slot: str) -> None:
        self.late.append(self.accounts[slot].wish(self.names[slot], self.now))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def delayed_statement_arrives(self, data: st.DataObject) -> None:
        wish = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        self.pool.exchange(wish, self.now)

    def _leave(self, call: Call) -> None:
        if not call.has_left:
            call.has_left, call.at = True, self.now
            if call.cooling is not None:
                lease = self.accounts[call.process].lease
                call.cooling = lease.leave(call.reserved, call.cooling, self.now)

    @precondition(lambda self: not all(call.has_left for call in self.calls))
    @rule(data=st.data())
    def call_leaves(self, data: st.DataObject) -> None:
        waiting = [call for call in self.calls if not call.has_left]
        self._leave(data.draw(st.sampled_from(waiting)))

    @precondition(lambda self: any(call.used is None for call in self.calls))
    @rule(data=st.data())
    def call_ends(self, data: st.DataObject) -> None:
        running = [call for call in self.calls if call.used is None]
        call = data.draw(st.sampled_from(running))
        self._leave(call)
        call.used = data.draw(st.integers(0, call.reserved))
        if self.measure is Measure.CONCURRENCY:
            call.used = call.reserved
        holds = self.accounts[call.process]
        holds.lease.settle(call.reserved, call.used, call.cooling)

    @rule(slot=who)
    def process_dies_and_is_closed(self, slot: str) -> None:
        mine = [call for call in self.calls if call.process == slot]
        # What runs is closed by an estimate, at most what was reserved.
        spent = sum(call.counts for call in mine) if self.measure is Measure.USD else 0
        self.pool.close(self.names[slot], spent, self.now)
        self._bury(slot, mine)

    @rule(slot=who)
    def process_dies_unread(self, slot: str) -> None:
        self._bury(slot, [call for call in self.calls if call.process == slot])

    def _bury(self, slot: str, mine: list[Call]) -> None:
        for call in mine:
            self._leave(call)
        self.calls = [call for call in self.calls if call.process != slot]
        for call in mine:
            call.used = call.counts
        self.closed += mine
        self._born(slot)

    @rule(seconds=st.sampled_from([0.01, 1.0, 9.0, 24.0, 26.0, 59.0, 60.0, 61.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        for call in self.calls:  # no call waits for longer than this
            if self.now + seconds > call.at + WAITS_S:
                self._leave(call)
        self.now += seconds

    @invariant()
    def no_unit_appears_or_vanishes(self) -> None:
        for holds in self.accounts.values():
            lease = holds.lease
            known = lease.granted - lease.returned
            assert known == lease.ready + lease.in_use + lease.spent + lease.cooling
            assert lease.ready >= 0
            assert lease.in_use >= 0
            assert lease.cooling >= 0

    @invariant()
    def a_closed_process_holds_nothing_that_nobody_would_give_back(self) -> None:
        if self.measure is not Measure.TOKENS:  # those come back when they have cooled
            assert not self.pool.closed & self.pool.rows.keys()

    @invariant()
    def never_over(self) -> None:
        assert self.truth() <= AMOUNT
        assert 0 <= self.pool.taken <= AMOUNT

    def truth(self) -> int:
        return sum(call.counts for call in [*self.calls, *self.closed])


class Rates(Processes):
    """In any 60 seconds, no more than the amount; by timestamps alone."""

    measure = Measure.TOKENS

    @rule(silent=who, busy=who)
    def others_take_all_while_one_is_silent(self, silent: str, busy: str) -> None:
        self._pass(100.0)
        for need in (640, 320, 160, 80, 40, 20, 10, 5, 2, 1):
            self._exchange(busy, need, lost=False)
            self._call(busy, need)
        for need in (20, 5, 1):
            self._call(silent, need)

    @rule(slow=who, busy=who)
    def others_want_all_a_minute_after_a_call_that_waited(self, slow: str, busy: str) -> None:
        self._pass(100.0)
        self._exchange(slow, AMOUNT, lost=False)
        self._call(slow, AMOUNT)
        self._pass(9.0)
        for call in self.calls:
            self._leave(call)
        self._pass(52.0)
        for slot in (slow, busy):
            self._exchange(slot, 0 if slot == slow else AMOUNT, lost=False)
        self._call(busy, AMOUNT)

    def truth(self) -> int:
        every = [*self.calls, *self.closed]
        recent = [call for call in every if call.at > self.now - 60.0 or not call.has_left]
        assert self.pool.taken == self.pool.held()
        return sum(call.counts for call in recent)


class Running(Processes):
    """At any time, no more calls than the amount."""

    measure = Measure.CONCURRENCY
    sizes = st.just(1)

    # Processes that cannot renew let no call in, but end those they have: see the docs. So here
    # time stands still, and only calls and deaths move.
    @rule(seconds=st.just(1.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds if self.now < 1020 else 0

    def truth(self) -> int:
        assert self.pool.taken == self.pool.held()
        return sum(call.counts for call in self.calls if call.used is None)


_SETTINGS = settings(max_examples=100, stateful_step_count=50)


class TestBudgetsAreNeverOver(Processes.TestCase):
    """P3."""

    settings = _SETTINGS


class TestRatesAreNeverOver(Rates.TestCase):
    """No 61st request in 60 seconds, whichever 60."""

    settings = _SETTINGS


class TestConcurrencyIsNeverOver(Running.TestCase):
    """Permits come back with the end of a call, once."""

    settings = _SETTINGS


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 100))
def test_what_is_refused_is_refused_to_whoever_needs_more(needs: list[int], granted: int) -> None:
    """Monotonic refusal: until something comes back, nobody who needs as much or more passes."""
    lease = Lease(Nature.SPENT)
    lease.learn(1, granted)
    least_refused = None
    for need in needs:
        passed = lease.take(need, 0.0)
        if least_refused is not None and need >= least_refused:
            assert not passed
        if not passed:
            least_refused = min(need, least_refused or need)
    assert lease.in_use <= granted
