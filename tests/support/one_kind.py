"""Of a test that comes once for each database, the one that runs where not both are asked for."""

from collections import defaultdict
from collections.abc import Sequence
from zlib import crc32

KINDS = ("sqlite", "postgresql")


def left_out(names: Sequence[str]) -> set[str]:
    """The names of those that do not run: of twins all but one, the same in every run and process.

    A name is pytest's, such as `test_x.py::test_y[sqlite-1]`. What has no twin always runs.
    """
    twins: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if kind := kind_of(name):
            twins[name.replace(kind, "")].append(name)
    return {name for shared, each in twins.items() for name in each if name != _chosen(shared, each)}


def kind_of(name: str) -> str | None:
    """The database that a parameter of the test names."""
    parameters = name.rpartition("[")[2].rstrip("]").split("-")
    return next((kind for kind in KINDS if kind in parameters), None)


def _chosen(shared: str, twins: Sequence[str]) -> str:
    return sorted(twins)[crc32(shared.encode()) % len(twins)]
