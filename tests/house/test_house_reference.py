"""Documentation against the code: generated parts are fresh, lists by hand are complete."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from house_sources import PACKAGE, ROOT, place, tree

from meterr.cli import cli
from meterr.core.configuration import load
from meterr.core.telemetry import Event, RequestLine
from meterr.gateway.metering import reading
from meterr.ledger.journal import estimate
from meterr.ledger.model import State
from meterr.ledger.verify import Fault
from meterr.query.language.words import read_words
from support import reference

PAGES = [*reference.pages(), ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"]
REFERENCE = ROOT / "docs" / "reference"
REGENERATE = ".venv/bin/python tests/support/reference.py"
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|[\s/(])meterr "
    r"""(?P<words>(?!\[)[a-z-](?:"[^"\n]*"|'[^'\n]*'|[^\n|)&;>"'])*)""",
    re.MULTILINE,
)
_INLINE = re.compile(r"`(?P<text>meterr [^`\n]+)`")
_SHELL = {"sh", "ini"}


def commands_in(page: str) -> Iterator[list[str]]:
    """Yield the words of every ``meterr`` command in the shell blocks of a page."""
    for block in _BLOCK.finditer(page):
        if block["language"] in _SHELL:
            text = re.sub(r"\\\n\s*", "", block["text"])
            for command in _COMMAND.finditer(text):
                yield shlex.split(command["words"], comments=True)


def parse(words: list[str]) -> None:
    """Parse a command line as click would, without running it; raises what click raises."""
    command: click.Command = cli
    context = cli.make_context("meterr", list(words))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


def unknown_in(inline: str) -> list[str]:
    """Return what does not exist of a command that a sentence mentions, arguments left out."""
    command: click.Command = cli
    wrong = []
    for word in inline.split()[1:]:
        known = {
            option for param in command.params for option in (*param.opts, *param.secondary_opts)
        }
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return [*wrong, word]
            command = found
        elif word.startswith("-") and word not in known | {"--help", "-h"}:
            wrong.append(word)
    return wrong


def listed(page: str, heading: str) -> set[str]:
    """Return the codes in the first column of the table under a heading."""
    text = (REFERENCE / page).read_text()
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{page} has no heading {heading}"
    cells = re.findall(r"^\| (`.*?) \|", section[1], re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def outcomes() -> set[str]:
    """Return every word that our code writes as an entry's outcome."""
    found = {estimate.OUTCOME}
    for path in [*(PACKAGE / "gateway").glob("*.py"), PACKAGE / "core" / "http" / "door.py"]:
        for node in ast.walk(tree(path)):
            match node:
                case ast.keyword(arg="outcome", value=ast.Constant(value=str(word))):
                    found.add(word)
                case ast.Assign(
                    targets=[ast.Name(id="outcome") | ast.Attribute(attr="outcome")],
                    value=ast.Constant(value=str(word)),
                ):
                    found.add(word)
                case ast.Call(
                    func=ast.Attribute(attr="_settle"),
                    args=[ast.Constant(value=str(word)), *_],
                ):
                    found.add(word)
                case _:
                    pass
    return found | {"client_gone"}


def ledger_columns() -> set[str]:
    schema = (PACKAGE / "schema" / "schema.sql").read_text()
    body = schema.partition("create table meterr.ledger_entry (")[2].partition("primary key")[0]
    return set(re.findall(r"^  (\w+) ", body, re.MULTILINE))


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_generated_parts_are_what_the_code_says_now(page: Path) -> None:
    """Issue 2, item 1: the reference is generated from code; REGENERATE brings it up to date."""
    assert reference.fresh(page.read_text()) == page.read_text(), f"stale: run {REGENERATE}"


def test_every_part_is_used_and_the_way_to_make_it_again_is_written_down() -> None:
    """A part that no page shows is dead; whoever sees a stale page must find the command."""
    used = {part for page in reference.pages() for part in reference.parts_of(page.read_text())}
    assert set(reference.PARTS) == used
    assert REGENERATE in (ROOT / "CONTRIBUTING.md").read_text()


def test_every_setting_has_a_description() -> None:
    """STYLE 4: the description feeds the reference, so none may be missing."""
    fields = dict(reference.settings_fields())
    assert len(fields) > 20
    assert [] == [name for name, field in fields.items() if not (field.description or "").strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_code_block_can_be_given(page: Path) -> None:
    """House: what a page tells people to type, click accepts: names, options, types, arity."""
    for words in commands_in(page.read_text()):
        try:
            parse(words)
        except click.ClickException as error:
            pytest.fail(f"{page.name}: meterr {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_sentence_exists(page: Path) -> None:
    """House: the same for names and options that prose mentions."""
    text = page.read_text()
    wrong = {
        place(page, text.count("\n", 0, found.start()) + 1): unknown
        for found in _INLINE.finditer(text)
        if (unknown := unknown_in(found["text"]))
    }
    assert {} == wrong


def test_the_check_of_commands_sees_wrong_ones() -> None:
    """The checks themselves can fail."""
    page = "```sh\nKEY=$(meterr key create --nmae x)\nsudo -u m meterr up \\\n  --port 1 # y\n```\n"
    assert [["key", "create", "--nmae", "x"], ["up", "--port", "1"]] == list(commands_in(page))
    for words in (["key", "create", "--nmae", "x"], ["uasge"], ["up", "--port", "x"], ["key"]):
        with pytest.raises(click.exceptions.ClickException):
            parse(words)
    parse(["up", "--port", "0"])
    assert ["--bz"] == unknown_in("meterr usage --bz model")
    assert ["verifi"] == unknown_in("meterr verifi ledger")
    assert [] == unknown_in("meterr key create --name NAME")


def test_the_documented_configuration_file_loads(tmp_path: Path) -> None:
    """House: the example is what people copy. Every group of settings is in it."""
    text = (REFERENCE / "configuration.md").read_text()
    example = next(b["text"] for b in _BLOCK.finditer(text) if b["language"] == "toml")
    secret = tmp_path / "moonshot.key"
    secret.write_text("sk-x\n")
    file = tmp_path / "meterr.toml"
    file.write_text(example.replace("/etc/meterr/moonshot.key", str(secret)))

    found = load({}, {"OPENAI_API_KEY": "sk-y"}, file)

    assert {"openai", "moonshot", "local"} == set(found.settings.upstreams)
    in_file = {name for name, source in found.sources.items() if source == str(file)}
    assert {"data_dir", "server", "journal", "gateway", "log", "upstreams"} == {
        name.partition(".")[0] for name in in_file
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_toml_block_holds_known_settings(page: Path, tmp_path: Path) -> None:
    """House: a fragment loads as well, given the credentials it names; so do a source's words."""
    environ = dict.fromkeys(["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KIMI_API_KEY"], "sk-x")
    secret = tmp_path / "secret"
    secret.write_text("sk-x\n")
    file = tmp_path / "meterr.toml"
    for block in _BLOCK.finditer(page.read_text()):
        if block["language"] == "toml" and "[[relations]]" in block["text"]:
            assert read_words(block["text"]).relations
        elif block["language"] == "toml":
            text = re.sub(r'(credential_file|ca_file) = ".*?"', rf'\1 = "{secret}"', block["text"])
            file.write_text(text)
            assert load({}, environ, file).settings.data_dir


def test_the_architecture_names_files_and_code_that_exist() -> None:
    """Issue 2: a newcomer finds the line to change in a minute, so every name must lead there."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    words = set(re.findall(r"`([^`\s]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL)))
    files = [path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()]
    sources = "\n".join((ROOT / f).read_text() for f in files if f.endswith((".py", ".sql")))
    named = {word for word in words if word.endswith((".py", ".sql")) and "*" not in word}
    code = {word for word in words if re.fullmatch(r"[A-Za-z_]+(\.[A-Za-z_]+)?", word)} - named
    assert len(named) > 40
    assert len(code) > 40
    assert [] == sorted(n for n in named if not any(f.endswith(f"/{n}") for f in files))
    missing = [w for w in code if not re.search(rf"\b{w.rpartition('.')[2]}\b", sources)]
    assert [] == sorted(missing)


@pytest.mark.parametrize(
    ("page", "heading", "words"),
    [
        ("ledger.md", "Columns", ledger_columns()),
        ("ledger.md", "States", set(State)),
        ("ledger.md", "Outcomes", outcomes()),
        (
            "ledger.md",
            "Usage problems",
            {
                f"usage-{code}"
                for code in (
                    reading.MISSING,
                    reading.IMPLAUSIBLE,
                    reading.UNREADABLE,
                    reading.PARTIAL,
                )
            },
        ),
        (
            "ledger.md",
            "Estimates",
            {estimate.REPORTED_INPUT, estimate.REQUEST_BYTES, estimate.ANSWER_CHARS},
        ),
        ("ledger.md", "Verification faults", set(Fault)),
        ("logs.md", "Requests", set(msgspec.structs.asdict(RequestLine("", "", "", 0, 0)))),
        ("logs.md", "Events", set(Event)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_word_of_the_code_has_its_row(page: str, heading: str, words: set[str]) -> None:
    """House: these words are API; none is missing from the reference, none there is invented."""
    assert {str(word) for word in words} == listed(page, heading)
