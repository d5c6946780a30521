"""How results are written: a file that a spreadsheet opens runs nothing."""

import csv
import sys
from io import StringIO

import pytest

from meterr.cli.failures import told
from meterr.cli.output import Format, write_list
from meterr.core.errors import OperatorError


def written(capsys: pytest.CaptureFixture[str], *values: object) -> list[str]:
    write_list("meterr.test/1", [{"cell": each} for each in values], ["cell"], Format.CSV)
    lines = StringIO(capsys.readouterr().out, newline="")
    return [row[0] for row in csv.reader(lines)][1:]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_marked_as_text(
    capsys: pytest.CaptureFixture[str], start: str
) -> None:
    """Callers choose model names; `=HYPERLINK(...)` must not act on who reads the bill."""
    (cell,) = written(capsys, f'{start}cmd|" /C calc"!A0')
    assert cell.startswith("'")
    assert cell.endswith('cmd|" /C calc"!A0')


def test_a_list_is_marked_by_its_first_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Several names in one cell are one text."""
    assert ["'=1,b", "b,=1"] == written(capsys, ["=1", "b"], ["b", "=1"])


def test_numbers_and_plain_text_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """P1: a cost is exact and can be added up."""
    plain = ["0.000000000000000001", "-0.5", "-1.2e-05", "gpt-5.4", "a=b", "'quoted'", "--", "- 1"]
    assert [*plain[:6], "'--", "'- 1"] == written(capsys, *plain)
    assert ["", "yes", "-3", "1.5", ""] == written(capsys, None, True, -3, 1.5, "")


STEERS = "\x1b]0;mine\x07\x1b[2J\u202e\r"


def test_an_error_that_a_server_of_others_worded_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """'meterr source protect' tells what somebody's database says: its words and no more."""
    told(OperatorError(f"nothing was changed: {STEERS}permission denied"))
    said = capsys.readouterr().err
    assert said.endswith("permission denied\n")
    assert said.removesuffix("\n").replace("\n", "").isprintable()


@pytest.mark.parametrize("format_", [Format.AUTO, Format.CSV])
@pytest.mark.parametrize("value", [STEERS, ["a", STEERS]])
def test_no_value_steers_a_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    format_: Format,
    value: object,
) -> None:
    """Callers choose names: a text, and a part of a list."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write_list("meterr.test/1", [{"cell": value}], ["cell"], format_)
    lines = capsys.readouterr().out.splitlines()
    assert 2 == len(lines)
    assert lines[1].isprintable()


def test_a_file_of_csv_has_the_lines_and_spaces_of_a_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who loads the file gets what the data says."""
    texts = [
        "two\nlines",
        "a\r\nb",
        "a\tb",
        "5\u00a0000\u202f€",
        "👩\u200d🚀",
        'say "x", y',
        "\n\n",
    ]
    assert texts == written(capsys, *texts)


def test_a_file_of_csv_steers_no_terminal_that_it_is_shown_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Files are looked at with cat: no escape, no turned text, no line written over."""
    assert ["\ufffd]0;mine\ufffd\ufffd[2J\ufffd\ufffd", "a\ufffdb"] == written(
        capsys, STEERS, "a\rb"
    )
