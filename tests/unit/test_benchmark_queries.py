"""What the benchmark of queries makes of its rounds, and of the databases that it copies."""

from pathlib import Path

from sqlalchemy.engine import make_url

from benchmarks.queries import Asked, Measured, promised
from benchmarks.seeded import copied
from benchmarks.timing import Times


def asked(hour: float, day: float) -> Asked:
    """A round in which every request about a window of a length took so many milliseconds."""
    each = (("an hour", hour), ("a day", day))
    return Asked("trends", 15, [Measured(window, Times([taken] * 3, [taken] * 3)) for window, taken in each])


def test_the_figure_is_the_slowest_windows_median_over_the_rounds() -> None:
    figure = promised([asked(1, 9), asked(50, 10), asked(2, 80)])

    assert (figure.name, figure.value, figure.at_most, figure.rounds) == ("trends: p99", 10, 15, 3)
    assert "an hour 2.0 / 50.0" in figure.note  # of all rounds together


def test_a_copy_takes_along_the_log_that_a_killed_service_left(tmp_path: Path) -> None:
    for suffix in ("", "-wal"):
        (tmp_path / f"made.db{suffix}").write_text(f"made{suffix}")

    with copied(f"sqlite:///{tmp_path / 'made.db'}") as url:
        copy = make_url(url).database or ""
        assert [Path(copy + suffix).read_text() for suffix in ("", "-wal")] == ["made", "made-wal"]
        assert copy != str(tmp_path / "made.db")
