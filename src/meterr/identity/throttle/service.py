"""The throttle: counts attempts in PostgreSQL, so that all processes share one memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.identity.throttle import store
from meterr.identity.throttle.errors import TooManyAttempts
from meterr.identity.throttle.subject import (
    OVERLOOKED_WHERE_FAMILIAR,
    Proof,
    Subject,
    subjects_of,
)
from meterr.identity.throttle.window import (
    HOUR_MS,
    RULES,
    Kind,
    Pause,
    Rule,
    Window,
    begun,
    cleared,
    count,
    is_familiar,
    pause_left_ms,
    take_back,
)

_OF_THE_PERSON = frozenset({Kind.ACCOUNT_HERE, Kind.FACTOR})


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    An attempt that was let in and is counted. Say what became of it, or it counts as failed.

    ``began`` names the limits that it reached as the first of an incident: tell somebody, once.
    ``paused`` has every pause that it began.
    """

    subjects: tuple[Subject, ...]
    began: tuple[Kind, ...]
    paused: Mapping[Kind, Pause]


class Throttle:
    """
    Attempts to sign in, per account, address and in all.

    Args:
        db: The database as ``Role.IDENTITY``.
        clock: Unix time; hosts must agree to a few seconds.
        mac: A keyed digest of 32 bytes, the same in every process: ``Keyring.mac``.
        rules: The limits, one for each kind.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        mac: Callable[[bytes], bytes],
        rules: Mapping[Kind, Rule] = RULES,
    ) -> None:
        self._db = db
        self._clock = clock
        self._mac = mac
        self._rules = rules

    async def attempt(self, proof: Proof, account: str, address: str) -> Attempt:
        """
        Let an attempt in and count it, before anything is verified.

        The count is committed when this returns: no process that dies, and no crowd that comes at
        once, tries for nothing. A refused attempt is not counted, so nobody can keep a pause going.

        Raises:
            TooManyAttempts: a limit pauses; it says for how long, at most 15 minutes.
        """
        subjects = subjects_of(proof, account, address, self._mac)
        now_ms = self._clock.unix_ms()
        guessed = [s for s in subjects if not self._rules[s.kind].of_right_ones]
        async with self._db.transaction() as connection:
            await store.make_windows(connection, guessed, now_ms)
            before = await store.lock_windows(connection, subjects)
            self._refuse_paused(before, now_ms)
            after = {s: count(before[s], now_ms, self._rules[s.kind]) for s in guessed}
            await store.write_windows(connection, after, now_ms)
            if _tidies(before, after):
                await store.prune(connection, now_ms)
        paused = {
            subject.kind: pause
            for subject in after
            if (pause := begun(before[subject], after[subject])) is not None
        }
        began = tuple(s.kind for s in after if s.kind in paused and after[s].level == 1)
        return Attempt(subjects=subjects, began=began, paused=paused)

    async def passed(self, attempt: Attempt) -> tuple[Kind, ...]:
        """
        Say that the proof was right: the person's own windows are cleared, others spared.

        Returns the limits on right ones that it reached as the first of an hour.
        """
        return await self._settle(attempt, right=True)

    async def void(self, attempt: Attempt) -> None:
        """Say that nothing was proved either way, because we could not look."""
        await self._settle(attempt, right=False)

    async def _settle(self, attempt: Attempt, *, right: bool) -> tuple[Kind, ...]:
        now_ms = self._clock.unix_ms()
        async with self._db.transaction() as connection:
            if right:
                await store.make_windows(connection, attempt.subjects, now_ms)
            before = await store.lock_windows(connection, attempt.subjects)
            after = {
                subject: self._settled(subject.kind, window, attempt, now_ms, right=right)
                for subject, window in before.items()
            }
            await store.write_windows(connection, after, now_ms)
        return tuple(
            subject.kind
            for subject, window in before.items()
            if self._rules[subject.kind].of_right_ones
            and begun(window, after[subject]) is not None
            and now_ms - window.blocked_to_ms >= HOUR_MS
        )

    def _settled(
        self, kind: Kind, window: Window, attempt: Attempt, now_ms: int, *, right: bool
    ) -> Window:
        rule = self._rules[kind]
        if rule.of_right_ones:
            return count(window, now_ms, rule) if right else window
        if right and kind in _OF_THE_PERSON:
            return cleared(window, now_ms)
        return take_back(window, rule, attempt.paused.get(kind))

    def _refuse_paused(self, windows: Mapping[Subject, Window], now_ms: int) -> None:
        familiar = any(
            subject.kind is Kind.ACCOUNT_HERE and is_familiar(window, now_ms)
            for subject, window in windows.items()
        )
        waits = {
            subject.kind: pause_left_ms(window, now_ms, self._rules[subject.kind])
            for subject, window in windows.items()
            if not (familiar and subject.kind in OVERLOOKED_WHERE_FAMILIAR)
        }
        kind = max(waits, key=lambda each: waits[each], default=None)
        if kind is not None and waits[kind]:
            raise TooManyAttempts(ceil(waits[kind] / 1000), reason=f"throttled_{kind}")


def _tidies(before: Mapping[Subject, Window], after: Mapping[Subject, Window]) -> bool:
    """Return whether this attempt opens a new window of a shared kind: now and then, not always."""
    return any(
        after[subject].began_ms != window.began_ms
        for subject, window in before.items()
        if subject.kind in (Kind.GLOBAL, Kind.CEREMONY)
    )
