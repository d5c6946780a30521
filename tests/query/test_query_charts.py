"""A picture is chosen by types alone; whatever the result, there is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_samples import ShownColumn

from meterr.query.charts import BARS_MAX, SERIES_MAX, TABLE, Chart, ChartKind, chart

DAYS = [f"2026-11-{day:02}" for day in range(1, 31)]


def drawn(types: str, rows: list[list[object]]) -> Chart:
    return chart([ShownColumn(f"c{at}", type_) for at, type_ in enumerate(types.split())], rows)


@pytest.mark.parametrize(
    ("types", "rows", "expected"),
    [
        ("number", [["1.5"]], Chart(ChartKind.FIGURE, y=(0,))),
        ("integer", [[3]], Chart(ChartKind.FIGURE, y=(0,))),
        ("date number", [[day, 1] for day in DAYS], Chart(ChartKind.LINE, 0, (1,))),
        ("number time integer", [[1, day, 2] for day in DAYS], Chart(ChartKind.LINE, 1, (0, 2))),
        ("date text number", [[day, m, 1] for day in DAYS for m in "ab"],
         Chart(ChartKind.LINE, 0, (2,), 1)),
        ("text number", [["a", 1], ["b", 2]], Chart(ChartKind.BAR, 0, (1,))),
        ("boolean number number", [[True, 1, 2], [None, 2, 3]], Chart(ChartKind.BAR, 0, (1, 2))),
        ("text number", [["a", 1]], Chart(ChartKind.BAR, 0, (1,))),
        ("number", [[1], [2]], TABLE),
        ("number", [], TABLE),
        ("text", [["a"]], TABLE),
        ("number number", [[1, 2]], TABLE),
        ("date number", [[DAYS[0], 1]], TABLE),
        ("date number", [[DAYS[0], 1], [DAYS[0], 2], [DAYS[1], 3]], TABLE),
        ("date date number", [[a, b, 1] for a in DAYS for b in DAYS], TABLE),
        ("text number", [["a", 1], ["a", 2]], TABLE),
        ("text number", [[str(n), n] for n in range(BARS_MAX + 1)], TABLE),
        ("text text number", [["a", "b", 1]], TABLE),
        ("text json number", [["a", {}, 1]], TABLE),
        ("date text number", [[d, str(n), 1] for d in DAYS for n in range(SERIES_MAX + 1)], TABLE),
        ("date text number number", [[d, m, 1, 2] for d in DAYS for m in "ab"], TABLE),
    ],
)  # fmt: skip
def test_types_decide(types: str, rows: list[list[object]], expected: Chart) -> None:
    """Issue 5, item 6: time and number a line, category and number bars, one number a figure."""
    assert expected == drawn(types, rows)


@given(
    st.lists(
        st.sampled_from(["number", "integer", "time", "date", "text", "boolean", "json", "?"]),
        max_size=5,
    ),
    st.integers(0, 4),
)
def test_every_result_has_a_picture_of_its_own_columns(types: list[str], rows: int) -> None:
    """Never an error, and never a place that is not there."""
    picture = drawn(" ".join(types), [[f"{row}" for _ in types] for row in range(rows)])
    places = [at for at in (picture.x, *picture.y, picture.series) if at is not None]
    assert len(set(places)) == len(places)
    assert all(0 <= at < len(types) for at in places)
