"""Who: those who wrote in a role, and the values of a field; a row opens what it is made of."""

from collections.abc import Mapping

import streamlit as st

from client import calls
from client.answers import Facets, PeoplePage
from dashboard import api, charts, filters, pages, states, text, words, writers
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.text import Row

LIMIT = 100
COLUMNS = {
    "name": st.column_config.TextColumn("Name", pinned=True),
    "conversations": st.column_config.NumberColumn("n", help="Analysed conversations", format="localized"),
    "negative": st.column_config.NumberColumn("Negative", format="localized"),
    "share": st.column_config.NumberColumn("Share negative", format="percent"),
    "mean": st.column_config.NumberColumn("Mean sentiment", help="From -1 to 1", format="%+.2f"),
    "open": st.column_config.NumberColumn("Open cases", format="localized"),
    "open share": st.column_config.NumberColumn("Share open", help="Open cases of n", format="percent"),
    "topics": st.column_config.TextColumn("Topics", help="The three most frequent"),
    "last seen": st.column_config.DatetimeColumn("Last seen (UTC)", format="YYYY-MM-DD HH:mm"),
}
VALUES = {
    "value": st.column_config.TextColumn("Value", pinned=True, width="large"),
    "n": st.column_config.NumberColumn("n", help="Conversations", format="localized"),
}


def show() -> None:
    """The page."""
    st.title("Who", anchor=False)
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    role, order = st.columns(2)
    with role:
        filters.one_of("Role", "role", address, writers.ROLES)
    with order:
        filters.one_of("Order", "order", address, writers.ORDERS)
    start, end = window.start, window.end
    found, values, own = api.read(
        calls.people_page(
            role=address.role,
            start_time=start,
            end_time=end,
            sort=address.order,
            limit=LIMIT,
            cursor=address.cursor,
        ),
        calls.facets(address.facet, start_time=start, end_time=end, limit=LIMIT),
        calls.own_fields(),
    )
    if isinstance(found, Problem):
        states.explain(found)
        return
    _people(found, address, window)
    _values(values, writers.countable(None if isinstance(own, Problem) else own), address, window)


def _people(found: PeoplePage, address: Address, window: Window) -> None:
    if address.cursor is None:
        text.say(writers.sentence(found, address.role, address.order), key="large-headline")
    if not found.people:
        states.empty("Nobody wrote in this role in this window. Choose the other role, or move the window.")
        return
    rows = writers.rows(found.people)
    total = sum(each.conversations for each in found.people)
    st.caption(
        f"{words.n(total)} conversations of each of these people together, whatever the confidence. {LEADS}"
    )
    chosen = _bars(rows, address, window, total)
    ids = [str(row["id"]) for row in rows]
    chosen = chosen or text.choosable(rows, COLUMNS, alt=TABLE, key="people", ids=ids, marked=address.person)
    if chosen:
        pages.go(pages.PERSON, address.within(window).but(person=chosen, page=1))
    if found.next_cursor:
        onward = address.within(window).but(cursor=found.next_cursor, person=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


def _bars(rows: list[Row], address: Address, window: Window, total: int) -> str | None:
    if charts.too_few(total):
        return None
    column, title = writers.BARS.get(address.order, writers.CONVERSATIONS)
    return charts.changes(
        [row for row in rows if row["id"] and row[column]][: writers.SHOWN],
        name="name",
        value=column,
        id_="id",
        key=f"people-{window.first}-{window.last}-{address.role}-{address.order}",
        alt_text=BARS,
        of="Name",
        title=title,
        is_counted=column != "mean",
    )


def _values(values: Facets | Problem, options: Mapping[str, str], address: Address, window: Window) -> None:
    st.header("What they have in common", anchor=False)
    filters.facet(address, options)
    if isinstance(values, Problem):
        states.explain(values)
        return
    if not values.values:
        states.empty("No conversation of this window has a value of this field.")
        return
    rows = writers.values(values)
    ids = [each.value or "" for each in values.values]
    st.caption(
        "A row opens its conversations."
        if not values.has_more
        else "The commonest. A row opens its conversations."
    )
    chosen = text.choosable(rows, VALUES, alt=FACETS, key="facet", ids=ids)
    if chosen:
        entry = pages.CASES if address.facet == "outcome" else pages.CONVERSATIONS
        pages.go(entry, writers.opened(address.within(window), chosen))


LEADS = "A bar or a row opens the person."
BARS = "Bars: people of the list; the table below has the same figures"
TABLE = "People who wrote in this window"
FACETS = "Values of the field, the commonest first"

if __name__ == "__main__":
    show()
