"""A mapping that forgets: against a plain dictionary, as long as nothing had to be forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from core.bounded import Bounded

STEPS = st.lists(st.tuples(st.sampled_from(["set", "get", "pop"]), st.integers(0, 5)))


@given(STEPS, st.integers(1, 4))
def test_it_holds_what_was_used_last(steps: list[tuple[str, int]], most: int) -> None:
    bounded, used = Bounded[int, str](most), list[int]()
    for step, key in steps:
        if step == "get":
            assert bounded.get(key) == (str(key) if key in used else None)
        elif step == "set":
            bounded[key] = str(key)
        elif step == "pop":
            bounded.pop(key)
        if step != "pop" and (step == "set" or key in used):
            used = [*(each for each in used if each != key), key][-most:]
        elif step == "pop":
            used = [each for each in used if each != key]

        assert len(bounded) == len(used)
        assert {each for each in range(6) if each in bounded} == set(used)


def test_it_is_emptied() -> None:
    bounded = Bounded[int, int](2)
    bounded[1] = 1
    bounded.clear()

    assert (len(bounded), bounded.get(1)) == (0, None)
