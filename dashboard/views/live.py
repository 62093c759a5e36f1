"""A chat as it is spoken: what others write, the summary as it grows, and a line to write in oneself."""

from collections.abc import Callable

import streamlit as st

from client.answers import Chat, ChatSummary, Message, SummaryFailed, SummaryPending, SummaryState
from dashboard import actions, credentials, people, seat, states, text
from dashboard.address import Address
from dashboard.people import Person
from dashboard.seat import Seat, Spoken

SECONDS = 1.0
"""Between two looks at what the seat has heard."""
LONGEST = 10_000
ROLES = {"support_agent": "Support", "customer": "Customer"}
STATES = {
    "joining": "Joining the chat ...",
    "here": "Live: what others write appears by itself.",
    "away": "The service does not answer. This page comes back by itself, and what you write is sent then.",
    "deleted": "This chat was deleted. What is written from now on begins another one.",
    "denied": "You may not listen to this chat any more. This page tries again every five seconds.",
    "busy": "The service takes no more listeners now. This page waits for a place.",
}


def joined(chat: Chat) -> Seat:
    """The seat in a chat, from the last message that this page shows on."""
    last = max((each.position for each in chat.messages), default=0)
    return seat.taken(credentials.presented(), chat.conversation_id, last)


def messages(taken: Seat, chat: Chat, draw: Callable[[Message], None]) -> None:
    """What was said since the page was drawn, and the line to write in."""
    last = max((each.position for each in chat.messages), default=0)

    @st.fragment(run_every=SECONDS)
    def heard() -> None:
        found = taken.look()
        st.caption(STATES[found.state])
        for message in found.messages:
            if message.position > last or found.state == "deleted":
                draw(message)
        for each in found.unsent:
            _unsent(each)

    heard()
    _line(taken)


def _unsent(spoken: Spoken) -> None:
    with st.container(border=True, gap="xsmall"):
        if spoken.refused is None:
            st.badge("Being sent", icon=":material/schedule_send:", color="gray")
        else:
            st.badge("Not taken", icon=":material/error:", color="red")
            text.say(spoken.refused, key=f"small-why-{spoken.id}")
        text.say(spoken.text)


def _line(taken: Seat) -> None:
    who = people.here()
    if who is not None and actions.may("agent"):
        _write(taken, who)


@st.fragment
def _write(taken: Seat, who: Person) -> None:
    role = st.radio(
        "Write as", list(ROLES), format_func=lambda each: ROLES[each], key="write-as", horizontal=True
    )
    said = st.chat_input("Write a message", key="write", max_chars=LONGEST)
    if said:
        taken.say(said, author=who.name, role=role)


def summary(
    taken: Seat, known: SummaryState | None, address: Address, draw: Callable[[ChatSummary], None]
) -> None:
    """The summary as it grows, and as it is then; `known` is what the page has asked for.

    The page is not drawn anew for it: that would take away what somebody is writing.
    """

    @st.fragment(run_every=SECONDS)
    def growing() -> None:
        if Address.current() != address:  # a button in here leads to a message of another page
            st.rerun()
        found = taken.look()
        if found.draft:
            with st.container(border=True):
                st.badge("Being written", icon=":material/edit:", color="blue")
                text.say(found.draft)
        shown(latest(known, found.summary), draw)

    growing()


def latest(known: SummaryState | None, heard: SummaryState | None) -> SummaryState | None:
    """What was heard, if it is newer than what the page has asked for: corrections are only in the latter."""
    match known, heard:
        case ChatSummary(), ChatSummary() if heard.updated_at <= known.updated_at:
            return known
    return heard or known


def shown(state: SummaryState | None, draw: Callable[[ChatSummary], None]) -> None:
    """A summary, or why there is none."""
    match state:
        case None:
            states.empty("Nobody has asked for a summary.")
        case ChatSummary():
            draw(state)
        case SummaryPending(previous=previous) | SummaryFailed(previous=previous):
            st.info(
                "A summary is being written." if state.status == "pending" else "The last summary failed."
            )
            if previous is not None:
                draw(previous)
