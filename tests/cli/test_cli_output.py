"""How results are written: a file that a spreadsheet opens runs nothing."""

import csv
from io import StringIO

import pytest

from meterr.cli.output import Format, write_list


def written(capsys: pytest.CaptureFixture[str], *values: object) -> list[str]:
    write_list("meterr.test/1", [{"cell": each} for each in values], ["cell"], Format.CSV)
    return [row[0] for row in csv.reader(StringIO(capsys.readouterr().out))][1:]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_marked_as_text(
    capsys: pytest.CaptureFixture[str], start: str
) -> None:
    """P4: callers choose model names; `=HYPERLINK(...)` must not act on who reads the bill."""
    (cell,) = written(capsys, f'{start}cmd|" /C calc"!A0')
    assert cell.startswith("'")
    assert cell.endswith('cmd|" /C calc"!A0')


def test_a_list_is_marked_by_its_first_part(capsys: pytest.CaptureFixture[str]) -> None:
    """P4: several names in one cell are one text."""
    assert ["'=1,b", "b,=1"] == written(capsys, ["=1", "b"], ["b", "=1"])


def test_numbers_and_plain_text_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """P2: a cost is exact and can be added up."""
    plain = ["0.000000000000000001", "-0.5", "gpt-5.4", "a=b", "'quoted'", "--", "- 1"]
    assert [*plain[:5], "'--", "'- 1"] == written(capsys, *plain)
    assert ["-", "yes", "-3", "1.5", ""] == written(capsys, None, True, -3, 1.5, "")
