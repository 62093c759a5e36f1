"""What an address says, and what it says of things that make no sense."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.address import EARLIEST, Address, Window

NAMES = [field.alias or name for name, field in Address.model_fields.items()]
TEXTS = st.text(min_size=1, max_size=50)
DAYS = st.dates(min_value=EARLIEST, max_value=date(2100, 1, 1))


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(NAMES) | TEXTS, TEXTS | DAYS.map(str) | st.integers().map(str)))
def test_any_address_says_something_and_names_what_it_does_not(written: dict[str, str]) -> None:
    address, misread = Address.of(written)

    assert misread <= written.keys()
    assert Address.of(address.parameters) == (address, frozenset())
    sound = {name: value for name, value in written.items() if name not in misread}
    assert Address.of(sound) == (address, frozenset())


@given(DAYS, DAYS, st.integers(0, 100), TEXTS, TEXTS)
def test_what_was_written_is_read(first: date, last: date, confidence: int, topic: str, words: str) -> None:
    address = Address.model_validate({}).but(
        first=first, last=last, confidence=confidence, topic=topic, words=words
    )

    again, misread = Address.of(address.parameters)

    assert not misread
    assert again.window == Window(min(first, last), max(first, last))
    assert (again.confidence, again.topic, again.words) == (confidence, topic, words)


@given(DAYS, st.integers(0, 400))
def test_the_window_before_ends_where_a_window_begins(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)
    window = Window(first, last)

    if first.toordinal() > days + 1:
        assert window.before.days == window.days == days + 1
        assert window.before.end == window.start


@pytest.mark.parametrize(
    ("written", "misread"),
    [
        ({"from": "zzz", "to": "2026-11-19"}, {"from"}),
        ({"confidence": "101"}, {"confidence"}),
        ({"sentiment": "great", "page": "0"}, {"sentiment", "page"}),
        ({"unknown": "of another page", "topic": "delay"}, set()),
    ],
)
def test_what_makes_no_sense_is_named(written: dict[str, str], misread: set[str]) -> None:
    assert Address.of(written)[1] == misread
