"""The pages: where each is, and what it is called."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st


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
ALL: Sequence[Entry] = (CHANGED, CONVERSATIONS, CONVERSATION)


def registered() -> list[st.Page]:
    """All of them for Streamlit; the first one is where an address without a path leads."""
    return [
        st.Page(
            entry.path, title=entry.title, icon=entry.icon, url_path=entry.address, default=entry is CHANGED
        )
        for entry in ALL
    ]
