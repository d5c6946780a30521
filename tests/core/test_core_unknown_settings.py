"""A name that nothing reads is refused wherever it stands, and the text names the nearest."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from meterr.core.configuration import ConfigurationError, load
from meterr.core.settings import Settings, UpstreamSettings

UPSTREAM = ("upstreams", "own")


def sections() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield every place where settings may stand, and their names there."""
    yield (), tuple(Settings.model_fields)
    yield UPSTREAM, tuple(UpstreamSettings.model_fields)
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield (name,), tuple(kind.model_fields)


SECTIONS = dict(sections())
PLACES = [(section, name) for section, names in SECTIONS.items() for name in names]


@st.composite
def misspelled(draw: st.DrawFn) -> tuple[tuple[str, ...], str]:
    """A section, and one of its names with a letter too few, too many or exchanged."""
    section, name = draw(st.sampled_from(PLACES))
    at = draw(st.integers(0, len(name) - 1))
    wrong = draw(
        st.sampled_from(
            (
                name[:at] + name[at + 1 :],
                name[:at] + "x" + name[at:],
                name[:at] + "x" + name[at + 1 :],
            )
        )
    )
    return section, wrong


def refusal(environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load({}, {"HOME": "/", **environ}, file)
    return str(refused.value)


def suggested(text: str) -> set[str]:
    """Return the names that a refusal offers."""
    if close := re.search(r"did you mean (\S+)\?", text):
        return {close[1]}
    offered = re.search(r"valid here: (.*)\)", text)
    return set(offered[1].split(", ")) if offered else set()


@given(misspelled())
def test_a_misspelled_setting_in_any_section_of_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[tuple[str, ...], str]
) -> None:
    """Issue 3, item 9: the file, the name as written, and a name that would have been right."""
    section, wrong = where
    if wrong in SECTIONS[section] or not wrong:
        return
    file = tmp_path_factory.mktemp("config") / "meterr.toml"
    head = f"[{'.'.join(section)}]\n" if section else ""
    file.write_text(f"{head}{wrong} = 1\n")

    said = refusal({}, file)

    assert said.startswith(f"{file}: {'.'.join((*section, wrong))}: unknown setting")
    assert suggested(said)
    assert suggested(said) <= set(SECTIONS[section])


@given(misspelled())
def test_a_misspelled_variable_is_refused(where: tuple[tuple[str, ...], str]) -> None:
    """Issue 3, item 9: a variable with our prefix that nothing reads would be a setting lost."""
    section, wrong = where
    path = (*section, wrong)
    name = "METERR_" + "__".join(path).upper()
    if wrong in SECTIONS[section] or not wrong or wrong.removesuffix("_file") in SECTIONS[section]:
        return

    said = refusal({name: "1"})

    assert said.startswith(f"{name}: unknown setting")
    assert suggested(said)
    assert suggested(said) <= {*SECTIONS[section], "config"}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[sever]\n", "sever: unknown setting (did you mean server?)"),
        ("[server.tls]\ncert = 'x'\n", "server.tls.cert: unknown setting"),
        ("server = 1\n", "server: unknown setting (did you mean server.api?)"),
        ("[upstreams]\nopenai = 'https://x'\n", "upstreams.openai: write upstreams.NAME.FIELD"),
        ("[[upstreams]]\nprovider = 'x'\n", "upstreams: write upstreams.NAME.FIELD"),
        ("[upstreams.x]\n", "upstreams.x: write upstreams.NAME.FIELD"),
        ("[upstreams.x.models]\na = 1\n", "upstreams.x.models.a: write upstreams.NAME.FIELD"),
        ("[log]\nlevel = 'info'\nlevel = 'error'\n", "Cannot overwrite a value"),
        ("[log]\n[log]\n", "Cannot declare ('log',) twice"),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused(tmp_path: Path, toml: str, said: str) -> None:
    """Issue 3, item 9: sections, too; what is said twice is not guessed at."""
    file = tmp_path / "meterr.toml"
    file.write_text(toml)
    assert f"{file}: {said}" in refusal({}, file)


def test_a_section_that_is_empty_or_all_comments_is_fine(tmp_path: Path) -> None:
    """Somebody who comments out the last line of a section has asked for nothing."""
    file = tmp_path / "meterr.toml"
    names = [name for (name,) in (section for section in SECTIONS if len(section) == 1)]
    file.write_text("".join(f"[{name}]\n# {name}\n" for name in [*names, "upstreams"]))
    assert {} == load({}, {"HOME": "/"}, file).settings.upstreams


@pytest.mark.parametrize(
    "names",
    [
        ("METERR_KEY_PEPPER", "METERR_KEY_PEPPER_FILE"),
        ("METERR_SERVER__PORT", "METERR_server__port"),
    ],
)
def test_two_variables_for_one_setting_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """Whichever won, somebody would believe in the other one."""
    secret = tmp_path / "secret"
    secret.write_text("1" * 40)
    first, second = names
    assert f"{first} and {second} are the same setting" in refusal(
        {first: "8080", second: str(secret)}
    )


def test_a_misspelled_meterr_config_is_refused_by_its_name() -> None:
    """It is no setting, and still the one variable whose loss changes all others."""
    assert "did you mean config?" in refusal({"METERR_CONFG": "/etc/meterr.toml"})
