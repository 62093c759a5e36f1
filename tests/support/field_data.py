"""Fields of a parcel service in two versions, and arbitrary answers to them."""

from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from domain.analysis import Analysis
from domain.fields.fieldsets import FieldAnswers, FieldSet
from domain.fields.filters import FieldFilter
from domain.fields.parsing import parse_fields

FILE = """\
fields:
  - name: urgency
    type: enum
    of: customer
    required: true
    meaning: how soon the customer needs an answer
    values:
      high: needs an answer today
      normal: can wait until tomorrow
      low: needs no answer
    words:
      high: [today, at once, urgent]
      low: [no hurry]
  - name: refund_amount
    type: number
    meaning: the money that the customer asks back
    minimum: 0
    maximum: 5000
    unit: EUR
  - name: damaged
    type: boolean
    meaning: whether the parcel or what was in it arrived damaged
    words:
      true: [damaged, broken]
  - name: wishes
    type: list
    meaning: what the customer wants to be done
    values:
      refund: their money back
      resend: the same parcel once more
      apology: that somebody says sorry
    max_items: 2
  - name: place
    type: text
    meaning: where the parcel was left
    max_length: 40
"""
FIELDS = parse_fields(FILE)
CHANGED_FILE = (
    FILE.replace("maximum: 5000", "maximum: 10000")
    .replace("      low: needs no answer\n", "")
    .replace("      low: [no hurry]\n", "")
)
CHANGED = parse_fields(CHANGED_FILE)
"""A later version, with one value fewer and other bounds."""
SAID: Mapping[str, Any] = {
    "urgency": "high",
    "refund_amount": 12.5,
    "damaged": True,
    "wishes": ["resend", "apology"],
    "place": "behind the shed",
}
"""What a model may answer to them."""


NUMBERS = (0, 1, 1.2, 1.5, 1.9, 2, 3.5, 5_000)
"""Answers and limits, several to a bin: a limit at a bin's beginning leaves no answer of the bin out."""


def _answers(fields: FieldSet) -> st.SearchStrategy[FieldAnswers]:
    urgencies = next(each for each in fields.fields if each.name == "urgency").possible
    values = {
        "urgency": st.sampled_from(urgencies),
        "refund_amount": st.sampled_from([None, *NUMBERS, *NUMBERS]) | st.floats(0, 5_000),
        "damaged": st.none() | st.booleans(),
        "wishes": st.none()
        | st.lists(st.sampled_from(["refund", "resend", "apology"]), max_size=2, unique=True),
        "place": st.none() | st.sampled_from(["at the door", "über dem Zaun", "'; DROP TABLE insights"]),
    }
    return st.fixed_dictionaries(values).map(fields.read)


field_answers = st.one_of(st.none(), _answers(FIELDS), _answers(CHANGED))

_LIMITS = st.sampled_from([None, *map(float, NUMBERS), *map(float, NUMBERS)]) | st.floats(-1, 6_000)


def _range(one: float | None, other: float | None) -> FieldFilter:
    both = (one, other) if one is None or other is None else (min(one, other), max(one, other))
    return FieldFilter("refund_amount", None, *both)


_ranges = st.builds(_range, _LIMITS, _LIMITS)
field_filters = st.lists(
    st.one_of(
        st.sampled_from(["high", "normal", "low"]).map(lambda value: FieldFilter("urgency", value)),
        st.sampled_from(["true", "false"]).map(lambda value: FieldFilter("damaged", value)),
        st.sampled_from(["refund", "apology"]).map(lambda value: FieldFilter("wishes", value)),
        _ranges,
        _ranges,
    ),
    max_size=2,
    unique_by=lambda each: each.name,
).map(lambda found: tuple(sorted(found)))


def has_answers(analysis: Analysis, filters: Iterable[FieldFilter]) -> bool:
    """Whether an insight matches all filters, told from what it answers."""
    answers: Mapping[str, Any] = {} if analysis.fields is None else analysis.fields.values
    return all(_has(answers.get(each.name), each) for each in filters)


def _has(answer: Any, asked: FieldFilter) -> bool:
    if answer is None:
        return False
    if asked.value is None:
        return bool(asked.least <= answer <= asked.most)
    if isinstance(answer, bool):
        return asked.value == str(answer).lower()
    return asked.value in (answer if isinstance(answer, list) else [answer])
