"""Sessions that go on, are shown and end. One method, one use case, one transaction."""

from dataclasses import dataclass, replace

from pydantic import SecretStr

from meterr.core.db import Connection
from meterr.core.errors import NotFound
from meterr.core.policy import Permission, allowed
from meterr.core.tokens import SigningKey
from meterr.identity.factors import FactorProof, PasskeyProof
from meterr.identity.sessions import store
from meterr.identity.sessions.errors import SessionRefused
from meterr.identity.sessions.family import Turn, judge, over
from meterr.identity.sessions.issuer import Issuer
from meterr.identity.sessions.model import (
    Ended,
    Family,
    Grant,
    Refresh,
    SessionClient,
    SessionInfo,
    SignedIn,
)
from meterr.identity.sessions.refresh_token import (
    SALT_BYTES,
    Presented,
    digest_of,
    digest_of_presented,
    read,
    successors,
)
from meterr.identity.terms import is_uuid


@dataclass(frozen=True, slots=True)
class Sessions:
    """What happens to sessions after they began. ``Authority`` says who a request is from."""

    issuer: Issuer

    async def refresh(self, token: SecretStr, client: SessionClient) -> Refresh:
        """
        Exchange a refresh token for the next one and a new access token.

        Sent again within 10 s it gets the same next token, however many send it at once. Later the
        whole session ends, and the answer is ``reused``: two have the token.

        Raises SessionRefused when the session is over or the token none of ours.
        """
        presented = read(token, self.issuer.macs)
        if presented is None:
            raise SessionRefused("no_token_of_ours")
        key = await self.issuer.keys.current()
        # The end of a session is to be kept, so it is told after the transaction.
        async with self.issuer.db.transaction() as connection:
            found = await self._turn(connection, key, presented, client)
        if isinstance(found, str):
            raise SessionRefused(found)
        return found

    async def step_up(
        self, signed_in: SignedIn, proof: FactorProof | PasskeyProof, client: SessionClient
    ) -> Grant:
        """
        Take up a factor that was given just now: the session goes on under a new id.

        The old id and its tokens are over. The longest life stays what it was. Raises
        SessionRefused when the session ended meanwhile or the proof is somebody else's.
        """
        user_id = signed_in.actor.user_id
        if proof.user_id != user_id:
            raise SessionRefused("proof_of_somebody_else")
        key = await self.issuer.keys.current()
        now_ms = self.issuer.clock.unix_ms()
        async with self.issuer.db.transaction() as connection:
            account = await store.lock_person(connection, user_id)
            family = await store.lock_family(connection, signed_in.session_id)
            if account is None or not account.active or family is None or family.ended:
                raise SessionRefused("ended_meanwhile")
            if family.user_id != user_id:
                raise SessionRefused("session_of_somebody_else")
            if isinstance(proof, PasskeyProof) and not await store.passkey_counts(
                connection, user_id, proof.at_ms
            ):
                raise SessionRefused("passkey_ended")
            await store.end_session(connection, family.session_id, user_id, Ended.REPLACED, now_ms)
            return await self.issuer.begin(
                connection,
                key,
                user_id=user_id,
                factor_at_ms=proof.at_ms,
                client=client,
                ends_at_ms=family.ends_at_ms,
            )

    async def list(self, signed_in: SignedIn) -> list[SessionInfo]:
        """Return one's own sessions, last seen first; the one that asks is ``current``."""
        self._check_self(signed_in, Permission.SELF_SESSION_READ)
        now_ms = self.issuer.clock.unix_ms()
        async with self.issuer.db.transaction() as connection:
            found = await store.list_sessions(
                connection, signed_in.actor.user_id, now_ms, self.issuer.lifetimes.idle_s
            )
        here = signed_in.session_id
        return [replace(each, current=each.session_id == here) for each in found]

    async def end(self, signed_in: SignedIn, session_id: str) -> None:
        """
        End one of one's own sessions; every process is told when it commits.

        Raises NotFound for somebody else's and for one that is over, alike.
        """
        self._check_self(signed_in, Permission.SELF_SESSION_END)
        user_id = signed_in.actor.user_id
        if not is_uuid(session_id) or not await self._end(session_id, user_id, Ended.ENDED):
            raise NotFound("There is no such session.")

    async def sign_out(self, signed_in: SignedIn) -> None:
        """End the session that asks. Needs no permission, and is no error a second time."""
        await self._end(signed_in.session_id, signed_in.actor.user_id, Ended.SIGNED_OUT)

    async def sign_out_with(self, token: SecretStr) -> None:
        """
        End the session of a refresh token, for a browser whose access token is over.

        Any token that we wrote will do, also an old one; what is none of ours is no error.
        """
        presented = read(token, self.issuer.macs)
        if presented is None:
            return
        async with self.issuer.db.transaction() as connection:
            family = await store.lock_family(connection, presented.session_id)
            if family is not None and not family.ended:
                await self._end_family(connection, family, Ended.SIGNED_OUT)

    async def sign_out_everywhere(self, signed_in: SignedIn, *, but_here: bool = False) -> int:
        """End all of one's own sessions, or all others; return how many that were."""
        self._check_self(signed_in, Permission.SELF_SESSION_END)
        async with self.issuer.db.transaction() as connection:
            return await store.end_sessions_of(
                connection,
                signed_in.actor.user_id,
                Ended.ENDED,
                self.issuer.clock.unix_ms(),
                but=signed_in.session_id if but_here else None,
            )

    async def _turn(
        self, connection: Connection, key: SigningKey, presented: Presented, client: SessionClient
    ) -> Refresh | str:
        """Return what becomes of a token, or the reason why nothing does."""
        now_ms = self.issuer.clock.unix_ms()
        family = await store.lock_family(connection, presented.session_id)
        if family is None or family.ended or not family.user_active:
            return "session_over"
        late = over(family, now_ms, self.issuer.lifetimes.idle_s)
        if late is not None:
            await self._end_family(connection, family, late)
            return f"session_{late}"
        turn = judge(family, presented.generation, digest_of_presented(presented), now_ms)
        if turn is Turn.REUSED:
            await self._end_family(connection, family, Ended.REUSED)
            return Refresh(session_id=family.session_id, user_id=family.user_id, grant=None)
        refresh = None
        if turn is Turn.ROTATE:
            refresh = await self._rotated(connection, presented, client, now_ms)
        elif turn is Turn.REPEAT:
            refresh = self._repeated(family, presented)
            await store.move_session(connection, family.session_id, self.issuer.seen(client))
        if refresh is None:
            return "token_unknown"
        grant = self.issuer.grant(
            key, family.session_id, family.user_id, refresh, family.ends_at_ms
        )
        return Refresh(session_id=family.session_id, user_id=family.user_id, grant=grant)

    async def _rotated(
        self, connection: Connection, presented: Presented, client: SessionClient, now_ms: int
    ) -> SecretStr:
        salt = self.issuer.randomness(SALT_BYTES)
        refresh = next(successors(presented, salt, self.issuer.macs))
        await store.rotate_family(
            connection,
            presented.session_id,
            digest_of(refresh),
            self.issuer.pepper_id,
            salt,
            self.issuer.seen(client),
            now_ms,
        )
        return refresh

    def _repeated(self, family: Family, presented: Presented) -> SecretStr | None:
        """Make the next token once more; the pepper may have changed within these seconds."""
        made = successors(presented, family.salt or b"", self.issuer.macs)
        return next((each for each in made if digest_of(each) == family.refresh_digest), None)

    async def _end(self, session_id: str, user_id: str, because: Ended) -> bool:
        now_ms = self.issuer.clock.unix_ms()
        async with self.issuer.db.transaction() as connection:
            return await store.end_session(connection, session_id, user_id, because, now_ms)

    async def _end_family(self, connection: Connection, family: Family, because: Ended) -> None:
        now_ms = self.issuer.clock.unix_ms()
        await store.end_session(connection, family.session_id, family.user_id, because, now_ms)

    def _check_self(self, signed_in: SignedIn, permission: Permission) -> None:
        now_ms = self.issuer.clock.unix_ms()
        allowed(signed_in.actor, permission, None, now_ms=now_ms).require()
