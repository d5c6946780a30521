"""Every command, option and choice of the command line, each with a letter missing."""

import re
from collections.abc import Iterator

import click
import pytest

from meterr.cli.exits import Exit
from support.command_line import CommandLine
from support.reference import commands


def words(name: str) -> list[str]:
    """Return a command's name as arguments, without the program."""
    return name.split()[1:]


def options() -> Iterator[tuple[str, str]]:
    """Yield each command and each of its long options."""
    for name, command in commands():
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                if option.startswith("--"):
                    yield name, option


def choices() -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield each command with a parameter of few valid values, what comes before it, and these."""
    for name, command in commands():
        before: tuple[str, ...] = ()
        for parameter in command.params:
            leading = before if isinstance(parameter, click.Argument) else (parameter.opts[0],)
            if isinstance(parameter.type, click.Choice):
                yield name, leading, tuple(map(str, parameter.type.choices))
            if isinstance(parameter, click.Argument):
                before = (*before, "x")


def subcommands() -> Iterator[tuple[str, str]]:
    for name, command in commands():
        if isinstance(command, click.Group):
            for inner in command.list_commands(click.Context(command)):
                yield name, inner


def without_a_letter(word: str) -> str:
    """Return ``word`` without its last letter but one; options keep their dashes."""
    return word[:-2] + word[-1] if len(word.lstrip("-")) > 2 else word + "x"


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_a_misspelled_option_is_refused_with_the_right_one(
    meterr: CommandLine, command: str, option: str
) -> None:
    """Issue 3, item 9: status 2, nothing on standard output, the nearest name."""
    result = meterr(*words(command), without_a_letter(option), "1")
    assert (Exit.USAGE, "") == (result.status, result.out)
    assert "No such option" in result.err
    assert f"'{option}'" in result.err


@pytest.mark.parametrize(("group", "command"), list(subcommands()))
def test_a_misspelled_command_is_refused_with_the_right_one(
    meterr: CommandLine, group: str, command: str
) -> None:
    """Issue 3, item 9: on every level."""
    result = meterr(*words(group), without_a_letter(command))
    assert (Exit.USAGE, "") == (result.status, result.out)
    assert "No such command" in result.err
    assert re.search(rf"did you mean[^\n]*\b{command}\b", result.err, re.IGNORECASE)


@pytest.mark.parametrize(("command", "leading", "valid"), list(choices()))
def test_a_value_that_is_no_choice_is_refused_with_all_of_them(
    meterr: CommandLine, command: str, leading: tuple[str, ...], valid: tuple[str, ...]
) -> None:
    """Issue 3, item 9: few values, so all are named."""
    result = meterr(*words(command), *leading, without_a_letter(valid[0]))
    assert (Exit.USAGE, "") == (result.status, result.out)
    assert all(f"'{value}'" in result.err for value in valid)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("price", "set", "own", "m", "inptu=1", "--reason", "x"), "nearest known one is 'input'"),
        (("price", "set", "own", "m", "input=1", "--reason", "x"), "output has no rate"),
        (
            (
                "price",
                "set",
                "own",
                "m",
                "input=1",
                "output=1",
                "--reason",
                "x",
                "--context",
                "bach",
            ),
            "nearest known one is 'batch'",
        ),
        (
            ("price", "set", "own", "m", "input=1", "output=2", "input=3", "--reason", "x"),
            "input is given twice",
        ),
        (("usage", "--by", "modl"), "model"),
        (("key", "create", "--name", "x", "--scope", "chatt"), "chat"),
    ],
)
def test_a_name_inside_a_value_is_refused_too(
    meterr: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    """Issue 3, item 9: price overrides, dimensions, scopes; nothing is written."""
    meterr("tenant", "create", "default")
    result = meterr(*arguments)
    assert (Exit.USAGE, "") == (result.status, result.out)
    assert said in result.err
    assert [] == meterr.ok("price", "list", "--json").items
