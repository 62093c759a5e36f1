"""The pages: where each is, what it is called, and how one leads to another.

Streamlit 1.67 makes entries of the browser's history in three ways, and only these agree with Back:

- `st.page_link` to another page: one entry. To the same page it changes the page but not the address: use a button
  whose `on_click` writes the address.
- A write to `st.query_params`, as `Address.write` does: one entry.
- `st.switch_page`: two entries, the new parameters at the old page's path, then the new page. So `go` keeps all that
  the address says and adds what is opened: the first of the two is then the same list with the opened row marked.
"""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import streamlit as st

from dashboard.address import Address


class Entry(NamedTuple):
    """A page; `path` is seen from the folder of dashboard.py, `icon` is a name of Material's."""

    path: str
    title: str
    address: str
    icon: str
    in_menu: bool = True


CHANGED = Entry("dashboard/views/changed.py", "What changed", "changed", ":material/trending_up:")
CONVERSATIONS = Entry(
    "dashboard/views/conversations.py", "Conversations", "conversations", ":material/forum:"
)
CONVERSATION = Entry(
    "dashboard/views/conversation.py", "Conversation", "conversation", ":material/chat:", False
)
DAY = Entry("dashboard/views/day.py", "Why this day", "day", ":material/help_center:")
WHO = Entry("dashboard/views/who.py", "Who", "who", ":material/group:")
PERSON = Entry("dashboard/views/person.py", "Person", "person", ":material/person:", False)
CASES = Entry("dashboard/views/cases.py", "Open cases", "cases", ":material/assignment_late:")
PAIR = Entry("dashboard/views/pair.py", "Two topics", "pair", ":material/compare_arrows:")
TOPICS = Entry("dashboard/views/topics.py", "Topics", "topics", ":material/label:")
TOPIC = Entry("dashboard/views/topic.py", "Topic", "topic", ":material/label:", False)
TOPIC_CHANGES = Entry(
    "dashboard/views/topic_changes.py",
    "What was done to topics",
    "topic-changes",
    ":material/history:",
    False,
)
PROPOSALS = Entry("dashboard/views/proposals.py", "New topics", "new-topics", ":material/lightbulb:")
PROPOSAL = Entry("dashboard/views/proposal.py", "A new topic", "new-topic", ":material/lightbulb:", False)
HEALTH = Entry("dashboard/views/health.py", "Health and money", "health", ":material/monitor_heart:")
ALL: Sequence[Entry] = (
    *(CHANGED, DAY, PAIR, WHO, CASES, CONVERSATIONS, PERSON, CONVERSATION),
    *(TOPICS, TOPIC, TOPIC_CHANGES, PROPOSALS, PROPOSAL, HEALTH),
)


def registered() -> list[st.Page]:
    """All of them for Streamlit; the first one is where an address without a path leads."""
    return [
        st.Page(
            entry.path, title=entry.title, icon=entry.icon, url_path=entry.address, default=entry is CHANGED
        )
        for entry in ALL
    ]


def go(entry: Entry, address: Address) -> NoReturn:
    """Open another page. Its address is what this page's says, and what is opened."""
    st.switch_page(entry.path, query_params=address.parameters)
