"""Somebody who wrote: their conversations and cases in the window."""

import streamlit as st

from client import calls
from client.answers import CasesPage, ChatsPage
from dashboard import api, cases, filters, pages, states, text, words, writers
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.views.cases import COLUMNS as CASES

LIMIT = 100
COLUMNS = {
    "when": st.column_config.DatetimeColumn("Said (UTC)", format="YYYY-MM-DD HH:mm", pinned=True),
    "text": st.column_config.TextColumn("First line", width="large"),
    "sentiment": st.column_config.TextColumn("Sentiment"),
    "topics": st.column_config.TextColumn("Topics"),
    "messages": st.column_config.NumberColumn("Messages", format="localized"),
}


def show() -> None:
    """The page."""
    st.title("Person", anchor=False)
    address = Address.current()
    if address.person is None:
        states.empty("The address names nobody. Open somebody from the list of who wrote.")
        return
    window = filters.window(address)
    if window is None:
        return
    everybody = address.but(person=None, page=1, id=None)
    st.page_link(
        pages.WHO.path, label="Everybody", icon=":material/arrow_back:", query_params=everybody.parameters
    )
    text.say(address.person, key="large-name")
    chats, summaries = api.read(
        calls.chats_page(
            user_id=address.person,
            start_date=window.start,
            end_date=window.end,
            page=address.page,
            limit=LIMIT,
        ),
        calls.summaries_page(
            person=address.person, start_time=window.start, end_time=window.end, limit=LIMIT
        ),
    )
    if isinstance(chats, Problem):
        states.explain(chats)
        return
    _chats(chats, address, window)
    _cases(summaries, address, window)


def _chats(found: ChatsPage, address: Address, window: Window) -> None:
    st.header("Conversations", anchor=False)
    if not found.chats:
        states.empty("They wrote nothing in this window. Move it.")
        return
    st.caption(f"{words.n(found.total)}, those taken in last first. A row opens its conversation.")
    ids = [each.conversation_id for each in found.chats]
    rows = writers.chats(found.chats)
    chosen = text.choosable(rows, COLUMNS, alt=TABLE, key="chats", ids=ids, marked=address.id)
    if chosen is not None:
        pages.go(pages.CONVERSATION, address.within(window).but(id=chosen, page=1))
    if found.page < found.pages:
        onward = address.within(window).but(page=found.page + 1, id=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


def _cases(found: CasesPage | Problem, address: Address, window: Window) -> None:
    st.header("Cases", anchor=False)
    if isinstance(found, Problem):
        states.explain(found)
        return
    if not found.summaries:
        states.empty("None of their conversations has a summary.")
        return
    text.say(cases.sentence(found.counts))
    ids = [each.conversation_id for each in found.summaries]
    rows = cases.rows(found.summaries)
    chosen = text.choosable(rows, CASES, alt=SUMMARIES, key="cases", ids=ids, marked=address.id)
    if chosen is not None:
        pages.go(pages.CONVERSATION, address.within(window).but(id=chosen, page=1))


TABLE = "Conversations in which this person wrote"
SUMMARIES = "Summaries of this person's conversations"

if __name__ == "__main__":
    show()
