"""The only place where texts of customers, and whatever else the service answers, are drawn.

Streamlit reads Markdown almost everywhere: a button, a metric, an error. An image in a customer's text would be
fetched from outside by the browser of whoever looks. `st.text`, cells of tables, and options of a select box stay what
they are.
tests/unit/test_dashboard_texts.py holds the rest of the package to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

Row = Mapping[str, object]
CHOSEN = "chosen"
"""Where a session notes in which table somebody has chosen a row, until the page is drawn."""
LONGEST = 20_000
"""Characters of one text that are shown."""


def say(body: str, *, key: str | None = None) -> None:
    """A text, as it stands. A key that begins with `large` makes it large, one with `small` small."""
    with st.container(key=key):
        st.text(body[:LONGEST])


def table(rows: Sequence[Row], columns: Mapping[str, Any], *, alt: str, height: int | None = None) -> None:
    """Rows to read. `alt` says what they are, in words of our own."""
    st.dataframe(
        list(rows),
        column_config=dict(columns),
        hide_index=True,
        alt=alt,
        height=height or "auto",
        column_order=[*columns],
    )


def choosable(
    rows: Sequence[Row],
    columns: Mapping[str, Any],
    *,
    alt: str,
    key: str,
    ids: Sequence[str],
    marked: str | None = None,
) -> str | None:
    """Rows of which one can be opened, by a click or by Shift and Space: its id, when it has just been chosen.

    `marked` is the id that the address says is opened; its row is shown as selected. A selection is the number of a
    row and outlives its rows: the ids are in the key, so that another table never has the selection of the one before.
    """
    name = f"{key}-{hash(tuple(ids)):x}"
    event = st.dataframe(
        list(rows),
        column_config=dict(columns),
        column_order=[*columns],
        hide_index=True,
        alt=alt,
        key=name,
        on_select=lambda: _note(name),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(marked)] if marked in ids else []}},
    )
    if st.session_state.get(CHOSEN) != name:  # nobody has, or in another table of this page
        return None
    del st.session_state[CHOSEN]
    chosen = event["selection"]["rows"]
    # A click on the marked row takes its mark away, and means it all the same.
    return ids[chosen[0]] if chosen else marked


def _note(name: str) -> None:
    st.session_state[CHOSEN] = name


def facts(found: Mapping[str, str]) -> None:
    """Names of our own, each with a value, which may take several lines."""
    for name, value in found.items():
        st.text(f"{name}: {value[:LONGEST]}")


def choice(label: str, options: Sequence[str], *, key: str, on_change: Any) -> str | None:
    """One of the service's values, or none; `label` is our own."""
    return st.selectbox(label, list(options), index=None, key=key, on_change=on_change, placeholder="any")


def choices(
    label: str,
    options: Mapping[str, str],
    *,
    key: str,
    most: int,
    on_change: Any = None,
    first: Sequence[str] | None = None,
) -> list[str]:
    """Some of the service's values, by their ids; `options` says what each is called, and `label` is our own.

    With `on_change` the address keeps what is chosen, and without it the page does. `first` is chosen to begin with.
    """
    if first is not None:
        st.session_state.setdefault(key, [*first])
    return st.multiselect(
        label,
        list(options),
        key=key,
        on_change=on_change,
        max_selections=most,
        placeholder="Choose, or type",
        format_func=lambda each: options[each],
        persist_state=None if on_change else "page",
    )


def pick(label: str, options: Mapping[str, str], value: str | None, *, key: str, empty: str) -> str | None:
    """One of the service's values in a form, or none, by its id; `label` and `empty` are our own."""
    st.session_state.setdefault(key, value if value in options else "")
    # In place of None, for which Streamlit would write "Choose an option".
    chosen = st.selectbox(
        label,
        ["", *options],
        key=key,
        format_func=lambda each: options[each] if each else empty,
        persist_state="page",
    )
    return chosen or None


def field(label: str, value: str, *, key: str, most: int = 200, lines: int = 1) -> str:
    """What is typed in a form that begins with the service's `value`; `label` is our own.

    The value is only set where nothing has been typed yet: setting it again would take away what was.
    """
    st.session_state.setdefault(key, value)
    if lines > 1:
        return st.text_area(label, key=key, max_chars=most, persist_state="page").strip()
    return st.text_input(label, key=key, max_chars=most, persist_state="page").strip()
