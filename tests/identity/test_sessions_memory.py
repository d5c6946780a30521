"""What a process remembers of sessions: bounded, and nothing that ended comes back into it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.policy import Role
from meterr.identity.sessions.memory import SessionMemory
from meterr.identity.sessions.model import LiveSession

NOBODY = "00000000-0000-0000-0000-000000000000"


def session(name: str, user: str = "u", tenants: tuple[str, ...] = ("t",)) -> LiveSession:
    return LiveSession(
        session_id=name,
        user_id=user,
        factor_at_ms=None,
        created_at_ms=0,
        ends_at_ms=1,
        lives=True,
        roles=dict.fromkeys(tenants, Role.USER),
        tenants=frozenset(tenants),
    )


def remembering(*sessions: LiveSession, sessions_max: int = 100) -> SessionMemory:
    memory = SessionMemory(sessions_max)
    for each in sessions:
        memory.remember(each, None, memory.notices)
    return memory


def known(memory: SessionMemory, *names: str) -> list[str]:
    return [name for name in names if memory.get(name) is not None]


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"session_id": "a"}, ["b", "c"]),
        ({"tenant_id": NOBODY, "session_id": "a"}, ["b", "c"]),
        ({"tenant_id": "t", "user_id": "u"}, ["c"]),
        ({"tenant_id": NOBODY, "user_id": "v"}, ["a", "b"]),
        ({"tenant_id": "t"}, ["b"]),
        ({"tenant_id": "nobodys"}, ["a", "b", "c"]),
        ({"key_id": "k", "mac": "00"}, ["a", "b", "c"]),
        ({"tenant_id": NOBODY, "signing_key": "s1"}, ["a", "b", "c"]),
    ],
    ids=str,
)
def test_a_notice_forgets_what_it_may_be_about_and_nothing_else(
    told: dict[str, str], left: list[str]
) -> None:
    """A session, a person, a tenant; notices of keys and limits come by as well."""
    memory = remembering(session("a"), session("b", tenants=()), session("c", "v"))
    memory.hear(json.dumps({**told, "version": 7}))
    assert left == known(memory, "a", "b", "c")


def test_a_read_that_a_notice_overtook_is_not_remembered() -> None:
    """P5, LiteLLM #25553: a slow reader must not bring back what ended."""
    memory = SessionMemory()
    began = memory.notices
    memory.hear(json.dumps({"tenant_id": "elsewhere", "version": 7}))
    memory.remember(session("a"), None, began)
    assert [] == known(memory, "a")


def test_what_is_over_is_not_remembered_and_a_gap_forgets_everything() -> None:
    """Only what lives and was heard of without a break."""
    memory = remembering(session("a"))
    over = LiveSession("b", "u", None, 0, 1, lives=False, roles={}, tenants=frozenset())
    memory.remember(over, None, memory.notices)
    assert ["a"] == known(memory, "a", "b")
    began = memory.notices
    memory.start_generation()
    memory.remember(session("c"), None, began)
    assert 0 == len(memory)


def test_the_one_remembered_longest_ago_makes_room() -> None:
    """A limit with a name; whoever is forgotten costs one read."""
    memory = remembering(*(session(str(n)) for n in range(5)), sessions_max=3)
    assert ["2", "3", "4"] == known(memory, "0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    "payload", ["", "no JSON", "[]", "{}", '{"user_id": 7}', '{"version": 1}', "[" * 900]
)
def test_what_is_no_notice_of_ours_changes_nothing(payload: str) -> None:
    """Whoever has a login may send it: nothing is forgotten, and no read is in vain."""
    memory = remembering(session("a"))
    before = memory.notices
    assert not memory.hear(payload)
    assert (["a"], before) == (known(memory, "a"), memory.notices)


def test_a_notice_of_a_key_makes_no_read_of_a_session_in_vain() -> None:
    """Keys change all the time; sessions are remembered all the same."""
    memory = SessionMemory()
    began = memory.notices
    assert memory.hear(json.dumps({"key_id": "k", "mac": "00", "version": 7}))
    memory.remember(session("a"), None, began)
    assert ["a"] == known(memory, "a")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["remember", "session_id", "user_id", "tenant_id"]),
            st.sampled_from("abcd"),
        ),
        max_size=30,
    )
)
def test_what_was_forgotten_leaves_no_trace(events: list[tuple[str, str]]) -> None:
    """The index of people and tenants holds exactly what is remembered."""
    memory = SessionMemory(3)
    for what, name in events:
        if what == "remember":
            memory.remember(session(name, name, (name, "t")), None, memory.notices)
        else:
            memory.hear(json.dumps({what: name}))
    indexed = set().union(*memory._concerning.values()) if memory._concerning else set()
    assert set(memory._sessions) == indexed
    assert len(memory) <= 3
