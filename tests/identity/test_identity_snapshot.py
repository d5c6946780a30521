"""The memory of keys: bounded, and nothing revoked comes back into it."""

from meterr.core.principal import Principal, Scope, UnknownPrice
from meterr.identity.model import KeyState, TenantState, VerifiedKey
from meterr.identity.snapshot import Notice, Snapshot


def row(
    mac: bytes = b"m", *, version: int = 1, tenant: str = "t", revoked: bool = False
) -> VerifiedKey:
    return VerifiedKey(
        mac=mac,
        principal=Principal(tenant, "k", frozenset(Scope), None, UnknownPrice.REFUSE),
        expires_at_ms=None,
        key_state=KeyState.REVOKED if revoked else KeyState.ACTIVE,
        owner_counts=True,
        tenant_state=TenantState.ACTIVE,
        version=version,
    )


def remembering(*rows: VerifiedKey, rows_max: int = 100) -> Snapshot:
    snapshot = Snapshot(rows_max)
    for one in rows:
        snapshot.finish_read(snapshot.begin_read(0.0), [one], [one.mac])
    return snapshot


def version_of(snapshot: Snapshot, mac: bytes = b"m") -> int | None:
    known = snapshot.get(mac)
    return None if known is None else known.key.version


class TestWritingBack:
    def test_an_older_version_is_dropped(self) -> None:
        """P5, LiteLLM #25553: a slow reader must not resurrect a revoked key."""
        snapshot = remembering(row(version=5, revoked=True))
        snapshot.finish_read(snapshot.begin_read(1.0), [row(version=4)], [b"m"])
        assert 5 == version_of(snapshot)

    def test_a_newer_version_replaces(self) -> None:
        """The other way round it must work, or a key would never change."""
        snapshot = remembering(row(version=5))
        snapshot.finish_read(snapshot.begin_read(1.0), [row(version=6, revoked=True)], [b"m"])
        assert 6 == version_of(snapshot)

    def test_a_read_overtaken_by_a_notice_of_its_key_is_dropped(self) -> None:
        """The read saw the row before the revocation, the notice came while it was under way."""
        snapshot = Snapshot()
        read = snapshot.begin_read(0.0)
        snapshot.notice(Notice(version=3, mac=b"m"))
        snapshot.finish_read(read, [row(version=9)], [b"m"])
        assert version_of(snapshot) is None

    def test_a_read_overtaken_by_a_notice_of_its_tenant_is_dropped(self) -> None:
        """The row's version is no help: a key may carry a higher one than its tenant's change."""
        snapshot = Snapshot()
        read = snapshot.begin_read(0.0)
        snapshot.notice(Notice(version=3, tenant_id="t"))
        snapshot.finish_read(read, [row(version=9), row(b"o", tenant="other")], [b"m", b"o"])
        assert version_of(snapshot) is None
        assert 1 == version_of(snapshot, b"o")

    def test_a_read_from_before_a_gap_is_dropped(self) -> None:
        """A notice between its beginning and the new LISTEN never reached us."""
        snapshot = Snapshot()
        read = snapshot.begin_read(0.0)
        snapshot.start_generation()
        snapshot.finish_read(read, [row()], [b"m"])
        assert 0 == len(snapshot)

    def test_a_failed_read_changes_nothing(self) -> None:
        """And is forgotten itself."""
        snapshot = remembering(row())
        snapshot.abandon_read(snapshot.begin_read(1.0))
        assert 1 == version_of(snapshot)

    def test_a_key_that_is_gone_is_forgotten(self) -> None:
        """A deleted row must not live on in memory."""
        snapshot = remembering(row())
        snapshot.finish_read(snapshot.begin_read(1.0), [], [b"m"])
        assert 0 == len(snapshot)


class TestNotices:
    def test_a_notice_forgets_whatever_the_version_was(self) -> None:
        """A row's version may be its tenant's and hide that the key changed."""
        snapshot = remembering(row(version=1_000_000))
        assert [b"m"] == snapshot.notice(Notice(version=3, mac=b"m"))
        assert 0 == len(snapshot)

    def test_a_change_of_a_tenant_forgets_all_of_its_keys_and_no_other(self) -> None:
        """DESIGN 6: a key counts only together with its tenant."""
        snapshot = remembering(row(b"1"), row(b"2"), row(b"3", tenant="other"))
        assert {b"1", b"2"} == set(snapshot.notice(Notice(version=3, tenant_id="t")))
        assert [b"3"] == snapshot.macs()

    def test_news_of_strangers_cost_nothing(self) -> None:
        """A new key is announced to everybody and remembered by nobody."""
        snapshot = remembering(row())
        assert [] == snapshot.notice(Notice(version=3, mac=b"stranger"))
        assert [] == snapshot.notice(Notice(version=3, tenant_id="stranger"))
        assert 1 == len(snapshot)

    def test_a_row_that_contains_the_change_stays(self) -> None:
        """The notice of a key's making must not push out the row that was read right after it."""
        snapshot = remembering(row(version=3))
        read = snapshot.begin_read(1.0)
        assert [] == snapshot.notice(Notice(version=3, mac=b"m"))
        snapshot.finish_read(read, [row(version=3)], [b"m"])
        assert 3 == version_of(snapshot)

    def test_a_row_that_contains_only_the_first_of_two_changes_does_not(self) -> None:
        """Created, read, revoked, all while one read lasts."""
        snapshot = Snapshot()
        read = snapshot.begin_read(0.0)
        for version in (3, 4):
            snapshot.notice(Notice(version=version, mac=b"m"))
        snapshot.finish_read(read, [row(version=3)], [b"m"])
        assert version_of(snapshot) is None


class TestItsSize:
    def test_is_bounded_and_the_oldest_leaves(self) -> None:
        """A named limit on everything."""
        snapshot = remembering(*(row(bytes([n])) for n in range(10)), rows_max=3)
        assert [b"\x07", b"\x08", b"\x09"] == snapshot.macs()

    def test_a_row_that_is_read_again_is_young_again(self) -> None:
        """Or a busy key would leave before an idle one."""
        snapshot = remembering(row(b"a"), row(b"b"), row(b"a"), row(b"c"), rows_max=2)
        assert [b"a", b"c"] == snapshot.macs()

    def test_tenants_without_rows_are_not_kept(self) -> None:
        """A million tenants passing through must leave nothing behind."""
        snapshot = remembering(*(row(bytes([n]), tenant=str(n)) for n in range(9)), rows_max=2)
        assert {"7", "8"} == set(snapshot._macs_of)


def test_no_rendering_shows_a_mac() -> None:
    """P6: a MAC in a log would let its reader match keys."""
    snapshot = remembering(row(b"\xabSECRET"))
    assert "SECRET" not in repr(snapshot.get(b"\xabSECRET"))
