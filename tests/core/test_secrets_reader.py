"""Reading secrets: once per while, never older than allowed, every read on record."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from meterr.core.errors import OperatorError
from meterr.core.private_file import MOUNTED_BYTES_MAX
from meterr.core.secrets import (
    Document,
    Freshness,
    OnOutage,
    Reference,
    Scheme,
    SecretRead,
    SecretReader,
    SecretRefused,
    SecretUnavailable,
)
from meterr.core.secrets.local import EnvBackend, FileBackend

CANARY = "secret-canary-9f3a"


class Place:
    """A backend whose content, and whose health, a test decides."""

    def __init__(self, content: str | Mapping[str, object]) -> None:
        self.content = content
        self.version = 1
        self.failure: Exception | None = None
        self.reads = 0

    def read(self, place: str) -> Document:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return Document(self.content, str(self.version))


class Desk:
    """A reader with a clock in the test's hand and its record."""

    def __init__(self, place: Place, freshness: Freshness) -> None:
        self.now = 1000.0
        self.record: list[SecretRead] = []
        self.reader = SecretReader(
            {Scheme.VAULT: lambda: place},
            freshness=freshness,
            monotonic=lambda: self.now,
            record=self.record.append,
        )

    def read(self, text: str = "vault:secret/data/m#key") -> str:
        reference = Reference.parse(text)
        assert reference is not None
        return self.reader.read(reference, "the test").text

    @property
    def outcomes(self) -> list[str]:
        return [each.outcome.value for each in self.record]


@pytest.fixture
def place() -> Place:
    return Place({"key": CANARY, "other": "o", "number": 7, "empty": " "})


DOWN = SecretUnavailable("down")


class TestKeepingForAWhile:
    def test_a_place_is_asked_once_per_while_for_all_of_its_fields(self, place: Place) -> None:
        """Issue 4, item 7: reads are cached with a time to live."""
        desk = Desk(place, Freshness(ttl_s=300))
        assert [CANARY, CANARY, "o"] == [
            desk.read(),
            desk.read(),
            desk.read("vault:secret/data/m#other"),
        ]
        assert (1, ["read", "cached", "cached"]) == (place.reads, desk.outcomes)

    def test_after_its_time_a_secret_is_asked_for_again(self, place: Place) -> None:
        """Issue 4, item 7: what was rotated is seen within the time to live."""
        desk = Desk(place, Freshness(ttl_s=300))
        desk.read()
        place.content, place.version = {"key": "new"}, 2
        desk.now += 299.9
        assert CANARY == desk.read()
        desk.now += 0.1
        assert "new" == desk.read()
        assert ["1", "1", "2"] == [each.version for each in desk.record]

    def test_after_its_time_an_old_secret_is_not_used_when_nobody_answers(
        self, place: Place
    ) -> None:
        """Issue 4, item 7: stale only if the word for an outage says so."""
        desk = Desk(place, Freshness(ttl_s=300, on_outage=OnOutage.REFUSE))
        desk.read()
        place.failure, desk.now = DOWN, desk.now + 300
        for _ in range(2):
            with pytest.raises(SecretUnavailable):
                desk.read()
        assert ["read", "unavailable", "unavailable"] == desk.outcomes

    def test_with_the_word_stale_it_is_used_up_to_a_named_age(self, place: Place) -> None:
        """Issue 4, item 7: an outage of Vault need not be ours, and not for ever."""
        desk = Desk(place, Freshness(300, 3600, OnOutage.STALE))
        desk.read()
        place.failure, desk.now = DOWN, desk.now + 3599
        assert CANARY == desk.read()
        desk.now += 1
        with pytest.raises(SecretUnavailable):
            desk.read()
        place.failure = None
        assert CANARY == desk.read()
        assert ["read", "stale", "unavailable", "read"] == desk.outcomes

    def test_a_secret_that_was_taken_away_is_never_stale(self, place: Place) -> None:
        """Issue 4, item 7: `no` is an answer, and no outage."""
        desk = Desk(place, Freshness(300, 3600, OnOutage.STALE))
        desk.read()
        place.failure, desk.now = SecretRefused("gone"), desk.now + 300
        with pytest.raises(SecretRefused):
            desk.read()
        place.failure = DOWN
        with pytest.raises(SecretUnavailable):
            desk.read()


class TestPicking:
    @pytest.mark.parametrize("field", ["missing", "number", "empty"])
    def test_a_field_that_is_not_there_or_no_text_is_refused(
        self, place: Place, field: str
    ) -> None:
        """S2:22: an empty secret fails at start and not at the first call."""
        desk = Desk(place, Freshness())
        with pytest.raises(SecretRefused, match=f"#{field}") as refused:
            desk.read(f"vault:secret/data/m#{field}")
        assert CANARY not in str(refused.value)
        assert ["refused"] == desk.outcomes

    @pytest.mark.parametrize("text", [CANARY, "[1]", "7", '{"a":', ""])
    def test_a_text_without_fields_has_none(self, text: str) -> None:
        """The error says what to leave out, and not what is in there."""
        with pytest.raises(SecretRefused, match="leave out #key") as refused:
            Desk(Place(text), Freshness()).read()
        assert CANARY not in str(refused.value)

    def test_a_text_of_json_has_its_fields(self) -> None:
        """What AWS's own console writes."""
        assert "v" == Desk(Place('{"key": " v\\n"}'), Freshness()).read()


def test_the_record_names_who_and_what_and_never_the_value(place: Place) -> None:
    """Issue 4, item 7, P6: each read is audited without the value."""
    desk = Desk(place, Freshness())
    desk.read()
    (line,) = desk.record
    assert SecretRead("the test", "vault:secret/data/m#key", line.outcome, "1") == line
    assert CANARY not in repr(line)
    reference = Reference.parse("vault:secret/data/m#key")
    assert reference is not None
    kept = desk.reader.read(reference, "x")
    assert CANARY not in f"{kept!r} {desk.reader!r} {Document(CANARY)!r}"


def test_a_backend_is_opened_by_the_first_who_needs_it() -> None:
    """Issue 4, item 7: a library that is missing matters only to those who use it."""

    def missing() -> Place:
        raise OperatorError("pip install 'meterr[vault]'")

    record: list[SecretRead] = []
    reader = SecretReader(
        {Scheme.VAULT: missing, Scheme.ENV: lambda: EnvBackend({"A": "b"})},
        freshness=Freshness(),
        monotonic=lambda: 0.0,
        record=record.append,
    )
    assert "b" == reader.read(Reference(Scheme.ENV, "A"), "x").text
    with pytest.raises(OperatorError, match="meterr\\[vault\\]"):
        reader.read(Reference(Scheme.VAULT, "s/data/m", "k"), "x")
    assert ["read", "refused"] == [each.outcome.value for each in record]


class TestThisHost:
    def test_a_variable_is_read(self) -> None:
        """Doppler: `doppler run` puts its secrets into variables, which `env:` names."""
        injected = {"DOPPLER_PROJECT": "meterr", "OPENAI_API_KEY": CANARY}
        assert CANARY == EnvBackend(injected).read("OPENAI_API_KEY").content
        with pytest.raises(SecretRefused, match="env:NOT_THERE: this variable is not set"):
            EnvBackend(injected).read("NOT_THERE")

    def test_a_file_is_read_without_its_last_newline(self, tmp_path: Path) -> None:
        """Docker, Kubernetes and systemd put secrets into files."""
        file = tmp_path / "secret"
        file.write_text(f"{CANARY}\n")
        link = tmp_path / "..data"
        link.symlink_to(file)  # what Kubernetes mounts are
        assert CANARY == FileBackend().read(str(link)).content

    def test_what_is_no_readable_file_of_text_is_refused_at_once(self, tmp_path: Path) -> None:
        """Issue 2, bad input: missing, a folder, a pipe, large, other bytes, loose."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        large = tmp_path / "large"
        large.write_text("x" * (MOUNTED_BYTES_MAX + 1))
        binary = tmp_path / "binary"
        binary.write_bytes(b"\xff\xfe\x00")
        loose = tmp_path / "loose"
        loose.write_text(CANARY)
        loose.chmod(0o666)
        for path in (tmp_path / "missing", tmp_path, pipe, large, binary, loose):
            with pytest.raises(SecretRefused, match=f"file:{path}"):
                FileBackend().read(str(path))
