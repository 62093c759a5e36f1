"""A conversation: its messages, what the analyzer found, and its summary with the places that it quotes."""

from functools import partial

import streamlit as st

from client import calls
from client.answers import Chat, ChatSummary, Conversation, Insight, Message, SummaryItem, SummaryState
from dashboard import actions, api, cases, pages, states, text, words, writers
from dashboard.address import Address
from dashboard.api import Problem
from dashboard.seat import Seat
from dashboard.views import correcting, correcting_fields, live

LIMIT = 100
"""Messages of a page; the service gives no more."""


def show() -> None:
    """The page."""
    address = Address.current()
    st.title("Conversation", anchor=False)
    actions.outcome()
    if address.id is None:
        states.empty("The address names no conversation. Open one from the list.")
        return
    page = (address.message - 1) // LIMIT + 1 if address.message else address.page
    chat, stored, summary = api.read(
        calls.chat(address.id, page=page, limit=LIMIT),
        calls.conversation(address.id),
        calls.summary(address.id),
    )
    if isinstance(chat, Problem):
        states.explain(chat)
        return
    _back(address)
    text.say(chat.first_line, key="large-opening")
    taken = live.joined(chat) if chat.page >= chat.pages else None
    messages, about = st.columns([3, 2], gap="large")
    with messages:
        # In one box, so that what is being written stays in its place when there are more messages.
        with st.container():
            _messages(chat, address)
        if taken is not None:
            live.messages(taken, chat, partial(_message, is_pointed_to=False))
    with about:
        if not isinstance(stored, Problem):
            _analysis(stored, chat)
        _summary(None if isinstance(summary, Problem) else summary, chat, address, taken)
        if isinstance(summary, ChatSummary):
            correcting.offer_outcome(summary)


def _back(address: Address) -> None:
    whole = address.but(id=None, page=1, message=None)
    st.page_link(
        pages.CONVERSATIONS.path,
        label="All of the list",
        icon=":material/arrow_back:",
        query_params=whole.parameters,
    )


def _summary(known: SummaryState | None, chat: Chat, address: Address, taken: Seat | None) -> None:
    st.header("Summary", anchor=False)
    draw = partial(_written, chat=chat, address=address)
    if taken is None:
        live.shown(known, draw)
    else:
        live.summary(taken, known, address, draw)


def _messages(chat: Chat, address: Address) -> None:
    st.header("Messages", anchor=False)
    st.caption(f"{words.n(chat.message_count)}, times in UTC")
    for message in chat.messages:
        _message(message, is_pointed_to=message.position == address.message)
    if chat.pages > 1:
        _pages(chat, address)


def _message(message: Message, *, is_pointed_to: bool) -> None:
    by = "Support" if message.user_type == "support_agent" else "Customer"
    number = words.count(message.position)
    with st.container(border=True, gap="xsmall"):
        st.subheader(f"{number} {by}", anchor=words.anchor(message.position))
        if is_pointed_to:
            st.badge("Quoted", icon=":material/format_quote:", color="blue")
        text.say(message.message_content)
        with st.container(horizontal=True, key=f"small-by-{message.position}"):
            st.caption(words.moment(message.timestamp), width="content")
            text.say(message.user_id or "")


def _pages(chat: Chat, address: Address) -> None:
    before, where, after = st.columns(3)
    if chat.page > 1:
        _turn(before, "Earlier messages", address, chat.page - 1)
    where.caption(f"Page {words.count(chat.page)} of {words.count(chat.pages)}")
    if chat.page < chat.pages:
        _turn(after, "Later messages", address, chat.page + 1)


def _turn(where: st.delta_generator.DeltaGenerator, label: str, address: Address, page: int) -> None:
    where.button(label, on_click=address.but(page=page, message=None).write)


def _analysis(stored: Conversation, chat: Chat) -> None:
    st.header("Analysis", anchor=False)
    if stored.insight is None:
        states.empty(STATES[stored.status if stored.status in STATES else "completed"])
        return
    _insight(stored.insight)
    correcting.offer(stored.conversation_id, stored.insight)
    correcting_fields.offer(stored.conversation_id, stored.insight)


def _insight(insight: Insight) -> None:
    found = insight.grok_analysis
    score, sure = st.columns(2)
    score.metric("Sentiment", words.score(found.sentiment_score))
    sure.metric("Confidence", words.percent(found.confidence))
    if insight.analyzer == "offline":
        st.badge("Offline analyzer", icon=":material/cloud_off:", color="orange")
    if insight.partial:
        st.badge("Only a part of it was read", icon=":material/content_cut:", color="orange")
    text.facts(
        {
            "Said to be": insight.sentiment,
            "Topics": ", ".join(found.clusters),
            "Why": found.reasoning,
            "Language": insight.language or "not known",
            "Model": insight.model,
        }
    )
    if answers := writers.answers(insight.fields):
        text.facts({"Fields": f"\n{answers}"})


STATES = {
    "queued": "It waits for its turn.",
    "processing": "It is being analysed.",
    "skipped": "It was skipped: there is too little in it to analyse.",
    "failed": "Its analysis failed.",
    "completed": "It has no analysis.",
}


def _written(summary: ChatSummary, chat: Chat, address: Address) -> None:
    text.say(summary.summary)
    text.facts({"Outcome": cases.outcome(summary.outcome), "Keywords": ", ".join(summary.keywords)})
    if summary.stale:
        st.badge("Messages came since", icon=":material/update:", color="orange")
    _items("To do", summary.action_items, chat, address)
    _items("Decided", summary.decisions, chat, address)
    _items(
        "Asked, and not answered", [each for each in summary.questions if not each.answered], chat, address
    )
    _items("Asked and answered", [each for each in summary.questions if each.answered], chat, address)


def _items(heading: str, items: list[SummaryItem], chat: Chat, address: Address) -> None:
    if items:
        st.markdown(f"**{heading}**")
    for number, item in enumerate(items):
        with st.container(border=True, gap="xsmall"):
            text.say(item.text)
            if item.verified and item.quote != item.text:
                text.say(f"“{item.quote}”")
            for position in item.positions:
                _jump(position, chat, address, f"{heading}-{number}")


def _jump(position: int, chat: Chat, address: Address, key: str) -> None:
    """A link to a message: an anchor where it is on this page, else another address."""
    label = f"Message {words.count(position)}"
    if any(message.position == position for message in chat.messages):
        st.markdown(f"[{label}](#{words.anchor(position)})")
        return
    onward = address.but(message=position, page=1)
    st.button(label, icon=":material/format_quote:", key=f"{key}-{position}", on_click=onward.write)


if __name__ == "__main__":
    show()
