"""Benchmark figures: what holds, how they are kept, and how they get into the document."""

import math
from pathlib import Path

import pytest

from benchmarks.__main__ import PROGRAMS
from benchmarks.results import DOCUMENT, Figure, Result, finish, render, save, saved

PAGE = Figure(name="page: p99", value=12.34, unit="ms", at_most=25, rounds=200)
DOCUMENT_OF_TWO = """\
# Performance
<!-- figures: queries -->
old
<!-- end of figures -->
between
<!-- figures: cost -->
other
<!-- end of figures -->
"""


def result(*figures: Figure, program: str = "queries") -> Result:
    return Result(program=program, setting="1,000 rows", figures=figures)


@pytest.mark.parametrize(
    ("value", "low", "high", "holds"),
    [
        (1, None, None, None),
        (25, None, 25, True),
        (25.1, None, 25, False),
        (0.6, 0.6, None, True),
        (0.59, 0.6, None, False),
        (3, 1, 2, False),
        (math.nan, None, 25, False),
    ],
)
def test_a_figure_holds_within_its_limits(
    value: float, low: float | None, high: float | None, holds: bool | None
) -> None:
    assert Figure(name="x", value=value, at_least=low, at_most=high).holds is holds


def test_a_figure_is_shown_with_its_limit_and_unit() -> None:
    assert PAGE.cells() == ("page: p99", "12.3 ms", "at most 25 ms", "yes", "200", "")
    assert Figure(name="rate", value=12_345.6, unit="posts/s", at_least=0.5).cells()[1:4] == (
        "12,346 posts/s",
        "at least 0.5 posts/s",
        "yes",
    )


def test_results_come_back_as_they_were_kept(tmp_path: Path) -> None:
    save(result(), tmp_path)
    save(result(PAGE), tmp_path)
    save(result(program="cost"), tmp_path)

    assert saved(tmp_path) == [result(program="cost"), result(PAGE)]


def test_a_result_with_a_figure_outside_its_limits_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = PAGE.model_copy(update={"value": 26})

    assert finish(result(PAGE), tmp_path) == 0
    assert finish(result(PAGE, slow), tmp_path) == 1
    assert "26 ms" in capsys.readouterr().out


def test_a_table_takes_the_place_of_the_old_one_and_leaves_the_others() -> None:
    assert render(DOCUMENT_OF_TWO, [result(PAGE)]) == DOCUMENT_OF_TWO.replace(
        "old\n",
        "1,000 rows\n\n"
        "| figure | value | must | holds | rounds | note |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| page: p99 | 12.3 ms | at most 25 ms | yes | 200 |  |\n",
    )


def test_a_result_without_a_section_is_an_error() -> None:
    with pytest.raises(ValueError, match="figures: footprint"):
        render(DOCUMENT_OF_TWO, [result(program="footprint")])


def test_every_program_has_a_section() -> None:
    render(DOCUMENT.read_text(), [result(program=name) for name in PROGRAMS])
