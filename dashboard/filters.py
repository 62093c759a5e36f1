"""Widgets that show what the address says, and write another address when they are changed.

Each gets its value from the address at every run, so Back, Forward and a link that was sent show in them as well.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any

import streamlit as st

from client import calls
from client.answers import InsightsPage
from dashboard import api, states, text, words
from dashboard.address import Address, Window, changed
from dashboard.api import Problem

LATEST_DAYS = 7
EVER = ("1970-01-01", "2100-01-01")


def window(address: Address) -> Window | None:
    """The window of the page, with the widgets that move it; without one in the address, the newest week.

    None where there is nothing to show, which it says.
    """
    chosen = address.window or _latest()
    if isinstance(chosen, Problem):
        states.explain(chosen)
        return None
    if chosen is None:
        states.empty(
            "Nothing has been analysed yet. Post conversations, or import a file: docs/IMPORT.md says how."
        )
        return None
    _shown(chosen)
    return chosen


def _latest() -> Window | Problem | None:
    ever = partial(calls.insights_page, start_time=EVER[0], end_time=EVER[1], limit=1)
    newest, oldest = api.read(ever(), ever(sort="timestamp"))
    if isinstance(newest, Problem):
        return newest
    if isinstance(oldest, Problem) or not newest.insights or not oldest.insights:
        return oldest if isinstance(oldest, Problem) else None
    return latest(_day(oldest), _day(newest))


def _day(found: InsightsPage) -> date:
    return found.insights[0].timestamp.astimezone(UTC).date()


def latest(oldest: date, newest: date) -> Window:
    """The newest week; of less than two weeks the newer half, so that there is something to compare with."""
    length = min(LATEST_DAYS, max(((newest - oldest).days + 1) // 2, 1))
    return Window(newest - timedelta(days=length - 1), newest)


def _shown(chosen: Window) -> None:
    first, last, length = st.columns([1, 1, 2], vertical_alignment="bottom")
    _set(first=chosen.first, last=chosen.last)
    first.date_input("From", key="w-first", on_change=_moved, args=("w-first",))
    last.date_input("To, both in UTC", key="w-last", on_change=_moved, args=("w-last",))
    length.caption(f"{words.days(chosen.days)}: {words.span(*chosen)}")


def confidence(address: Address) -> None:
    """How sure the analyzer has to have been."""
    _set(confidence=address.confidence)
    st.slider(
        "Lowest confidence, in percent",
        0,
        100,
        step=5,
        key="w-confidence",
        on_change=_took,
        args=("confidence",),
    )


def sentiment(address: Address) -> None:
    """Which sentiment."""
    _set(sentiment=address.sentiment)
    options = ("positive", "neutral", "negative", "unsure")
    key, given = "w-sentiment", ("sentiment",)
    st.selectbox("Sentiment", options, index=None, key=key, on_change=_took, args=given, placeholder="any")


def topic(address: Address, known: Sequence[str]) -> None:
    """Which topic; one of the address that is not known stays to be seen."""
    options = known if address.topic in (None, *known) else (address.topic or "", *known)
    _set(topic=address.topic)
    text.choice("Topic", options, key="w-topic", on_change=lambda: _took("topic"))


def typed(label: str, name: str, address: Address) -> None:
    """A field of the address that is typed; `label` is our own."""
    _set(**{name: getattr(address, name) or ""})
    st.text_input(label, key=f"w-{name}", max_chars=200, on_change=_took, args=(name,))


def _set(**values: object) -> None:
    for name, value in values.items():
        st.session_state[f"w-{name}"] = value


def _took(name: str) -> None:
    changed(**{name: st.session_state[f"w-{name}"] or Address.model_fields[name].default})


def _moved(moved: str) -> None:
    """Keep the first day before the last: the one that was not moved gives way."""
    first, last = st.session_state["w-first"], st.session_state["w-last"]
    if first > last:
        first = last = st.session_state[moved]
    changed(first=first, last=last)


def sort(address: Address, orders: Mapping[str, str]) -> None:
    """In which order; `orders` are our own words for each."""
    _set(sort=address.sort)
    st.selectbox(
        "Order",
        list(orders),
        key="w-sort",
        on_change=_took,
        args=("sort",),
        format_func=lambda each: orders[each],
    )


def one_of(label: str, name: str, address: Address, options: Mapping[Any, str]) -> None:
    """A field of the address with few values; `label` is our own, and `options` are our own words for each."""
    _set(**{name: getattr(address, name) or ""})
    # In place of None, for which Streamlit would write "Choose an option".
    st.selectbox(
        label,
        [each or "" for each in options],
        key=f"w-{name}",
        on_change=_took,
        args=(name,),
        format_func=lambda each: options[each or None],
    )


def facet(address: Address, options: Mapping[str, str]) -> None:
    """Whose values are counted: one of `options`, in our own words, or whatever somebody types."""
    known = [*options] if address.facet in options else [*options, address.facet]
    _set(facet=address.facet)
    st.selectbox(
        "Field",
        known,
        key="w-facet",
        on_change=_took,
        args=("facet",),
        format_func=lambda each: options.get(each, each),
        accept_new_options=True,
        help="Or type a field of FIELDS_FILE, or metadata. and a key of METADATA_KEYS, such as metadata.shop",
    )


def two_topics(address: Address, labels: Mapping[str, str]) -> None:
    """Two topics of the address; `labels` are those that there are, by slug."""
    chosen = [each for each in (address.topic, address.other) if each]
    st.session_state["w-two"] = chosen
    text.choices(
        "Two topics",
        {**{each: each for each in chosen}, **labels},
        key="w-two",
        on_change=_took_two,
        most=2,
    )


def _took_two() -> None:
    chosen: list[str] = st.session_state["w-two"]
    one, two, *_ = [*chosen, None, None]
    changed(topic=one, other=two)


def value(address: Address) -> None:
    """A value of a field that the address narrows a list to; to empty it takes the filter away."""
    text.say(address.facet, key="small-facet")
    typed("Value of this field", "value", address)
