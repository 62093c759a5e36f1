"""What stirs is due once it has been quiet, and at the latest so long after it first stirred."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from core.debounce import Debounce
from tests.support.fake_time import FakeTime

QUIET, LONGEST = 10, 25
STEPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["a", "b", ""])), max_size=60)


@given(STEPS)
def test_nothing_is_due_too_early_twice_or_never(steps: list[tuple[int, str]]) -> None:
    time = FakeTime()
    debounce = Debounce(QUIET, LONGEST, time)
    stirred: defaultdict[str, list[float]] = defaultdict(list)
    for seconds, key in [*steps, *[(1, "")] * LONGEST]:
        time.now += seconds
        expected = {
            each
            for each, times in stirred.items()
            if times and (time.now - times[-1] >= QUIET or time.now - times[0] >= LONGEST)
        }

        found = debounce.due()

        assert len(found) == len(set(found))
        assert set(found) == expected
        for each in found:
            stirred[each].clear()
        if key:
            debounce.touch(key)
            stirred[key].append(time.now)
    assert not any(stirred.values())
