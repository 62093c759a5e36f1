"""A group of conversations that might be a topic: what it is about; agents make a topic of it, or reject it."""

import streamlit as st

from client import calls
from client.answers import ProposalPage
from dashboard import actions, api, pages, proposed, states, text, words
from dashboard.address import Address
from dashboard.api import Problem
from dashboard.views import under_way
from dashboard.views.proposals import LOOKING
from dashboard.views.topic import FACTS

LIMIT = 100
COLUMNS = {
    "when": st.column_config.DatetimeColumn("Said (UTC)", format="YYYY-MM-DD HH:mm", pinned=True),
    "text": st.column_config.TextColumn("Text", width="large"),
    "sentiment": st.column_config.TextColumn("Sentiment"),
    "score": st.column_config.NumberColumn("Score", help="From -1 to 1", format="%+.2f"),
    "topics": st.column_config.TextColumn("Topics"),
}
TABLE = "Conversations of the group"


def show() -> None:
    """The page."""
    st.title("A new topic", anchor=False)
    actions.outcome()
    address = Address.current()
    whole = address.but(proposal=None, cursor=None, id=None)
    st.page_link(
        pages.PROPOSALS.path,
        label="All new topics",
        icon=":material/arrow_back:",
        query_params=whole.parameters,
    )
    if address.proposal is None:
        states.empty("The address names no group. Open one from the list.")
        return
    asked = calls.proposal(address.proposal, limit=LIMIT, cursor=address.cursor)
    found, jobs = api.read(asked, under_way.asked())
    if isinstance(found, Problem):
        states.explain(found)
        return
    text.say(found.name, key="large-proposal")
    under_way.follow(jobs, LOOKING)
    about, decide = st.columns([3, 2], gap="large")
    with about:
        _about(found)
    with decide:
        _decide(found, address)
    _members(found, address)


def _about(found: ProposalPage) -> None:
    st.header("What it is about", anchor=False)
    text.say(proposed.growth_of(found))
    text.table(proposed.proposal_facts(found), FACTS, alt="What is known of the group")


def _decide(found: ProposalPage, address: Address) -> None:
    st.header("Make a topic of it?", anchor=False)
    if found.state != "proposed":
        st.info(DECIDED[found.state])
        if found.topic is not None:
            opened = address.only("first", "last").but(topic=found.topic)
            st.page_link(
                pages.TOPIC.path, label="Its topic", icon=":material/label:", query_params=opened.parameters
            )
        return
    if not actions.may("agent"):
        return
    label = text.field("Label", found.name, key=f"label-{found.id}", most=100)
    if actions.confirmed("Accept", "Make a topic of it", ACCEPTING, key="accept"):
        actions.carry_out(calls.accept_proposal(found.id, label=label or None))
    if actions.confirmed("Reject", "Reject it", REJECTING, key="reject"):
        actions.carry_out(calls.reject_proposal(found.id), "rejected")


def _members(found: ProposalPage, address: Address) -> None:
    st.header("Its conversations", anchor=False)
    st.caption(f"{words.n(found.size)}, in the order of their intake. A row opens its conversation.")
    ids = [each.conversation_id for each in found.insights]
    rows = proposed.member_rows(found.insights)
    opened = text.choosable(rows, COLUMNS, alt=TABLE, key="members", ids=ids, marked=address.id)
    if opened is not None:
        pages.go(pages.CONVERSATION, address.but(id=opened))
    if found.next_cursor:
        onward = address.but(cursor=found.next_cursor, id=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


DECIDED = {
    "accepted": "Somebody has accepted it: it is a topic.",
    "rejected": "Somebody has rejected it. It is not proposed again.",
}
ACCEPTING = "It becomes a topic, and its conversations are filed under it too. Undo takes that back."
REJECTING = "It is not proposed again, however often it is found. There is no undo of that."

if __name__ == "__main__":
    show()
