"""Which tests run on one database only."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.support.one_kind import KINDS, kind_of, left_out

bare = st.from_regex(r"tests/test_[a-c]\.py::test_[a-z]{1,4}", fullmatch=True)
ids = st.lists(st.sampled_from(["1", "closes", "open"]), max_size=2)


@given(st.dictionaries(bare, ids, max_size=30))
def test_of_twins_exactly_one_runs_whatever_the_order(tests: dict[str, list[str]]) -> None:
    both = [f"{test}[{'-'.join([kind, *more])}]" for test, more in tests.items() for kind in KINDS]
    backwards = both[::-1]

    assert left_out(both) == left_out(backwards)
    assert Counter(name.partition("[")[0] for name in left_out(both)) == Counter(tests.keys())


@given(st.sets(bare), st.sampled_from(KINDS))
def test_what_has_no_twin_runs(tests: set[str], kind: str) -> None:
    assert left_out([*tests, *(f"{test}[{kind}]" for test in tests)]) == set()


def test_either_database_gets_about_half() -> None:
    names = [f"tests/test_a.py::test_{number}[{kind}]" for number in range(1_000) for kind in KINDS]

    chosen = Counter(kind_of(name) for name in set(names) - left_out(names))

    assert 450 < chosen["sqlite"] < 550
    assert chosen.total() == 1_000


def test_a_name_without_a_database_has_none() -> None:
    assert kind_of("tests/test_sqlite.py::test_sqlite[blocking]") is None
    assert kind_of("tests/test_a.py::test_b[closes-postgresql]") == "postgresql"
