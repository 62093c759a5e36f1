"""The cost curves: what is said of them, and what the plots show."""

from io import BytesIO

import matplotlib as mpl

from benchmarks.curves import STYLE, Point, Posts, figures, intake_drawn, queries_drawn
from benchmarks.timing import Times

TRENDS = "/trends, 365 days"
POINTS = [
    Point(
        1_000, {TRENDS: Times([1.0, 2.0, 3.0])}, [Posts(400, 10, 20), Posts(500, 12, 30), Posts(900, 50, 90)]
    ),
    Point(10_000, {TRENDS: Times([2.0, 3.0, 10.0])}, [Posts(600, 15, 20)]),
]


def test_what_is_measured_over_the_largest_table_is_set_against_the_smallest() -> None:
    found = {
        figure.name.partition(",")[0]: figure for figure in figures(POINTS) if "trends" not in figure.name
    }

    assert found["a post: CPU"].value == 600 / 500
    assert found["a post: median"].value == 15 / 12
    assert [figure.value for figure in figures(POINTS) if TRENDS in figure.name] == [3 / 2]


def test_plots_say_what_they_show_in_which_unit_and_start_at_nothing() -> None:
    for drawing in (intake_drawn(POINTS), queries_drawn(POINTS)):
        assert "as the table grows" in drawing.get_suptitle()
        for axes in drawing.axes:
            assert axes.get_xlabel() == "conversations in the table"
            assert axes.get_ylabel().endswith(("µs", "ms"))
            assert axes.get_ylim()[0] == 0


def test_the_same_figures_make_the_same_file() -> None:
    def written() -> bytes:
        file = BytesIO()
        with mpl.rc_context(fname=STYLE):
            queries_drawn(POINTS).savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    assert written() == written()
