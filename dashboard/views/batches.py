"""The part of Health and money about batches at the provider: how far they are, and a way to end one."""

import streamlit as st

from client import calls
from client.answers import Health, ProviderBatch
from dashboard import actions, api, lane, states, text, words
from dashboard.api import Problem

BATCHES = {
    "from": st.column_config.DatetimeColumn("Begun (UTC)", format="YYYY-MM-DD HH:mm", pinned=True),
    "stage": st.column_config.TextColumn("It is"),
    "requests": st.column_config.NumberColumn("Requests", format="localized"),
    "answered": st.column_config.NumberColumn("Answered", format="localized"),
    "conversations": st.column_config.NumberColumn("Conversations", format="localized"),
    "stored": st.column_config.NumberColumn("Insights", format="localized"),
    "usd": st.column_config.NumberColumn("Dollars", format="$%.4f"),
    "until": st.column_config.DatetimeColumn(
        "Over (UTC)", help="At the latest, while it is not", format="YYYY-MM-DD HH:mm"
    ),
    "by": st.column_config.TextColumn("Cancelled by"),
    "why": st.column_config.TextColumn("Error", width="large"),
}
CANCELLING = "What it has not been answered goes live, at the full price. What it was answered is paid for."


def progress(health: Health) -> None:
    """How far they are. Looked at again and again, so it asks nothing."""
    found = lane.lane_of(health)
    if found is None:
        return
    st.subheader("Batches at the provider", anchor=False)
    text.say(lane.said_of(found), key="small-said-of-lane")
    if found.requests:
        part = words.part(found.answered, found.requests)
        st.progress(found.answered / found.requests, text=f"Requests answered: {part}")
    if (why := lane.why_none_is_begun(found)) is not None:
        text.say(why, key="small-lane")


def each(health: Health) -> None:
    """The newest batches, asked for when somebody wants to see them."""
    if lane.lane_of(health) is None or not st.toggle("Show the batches", key="batches"):
        return
    found = api.read(calls.batches())
    if isinstance(found, Problem):
        states.explain(found)
        return
    if not found.batches:
        states.empty("There has been none in 30 days.")
        return
    _cancel(lane.can_be_cancelled(found.batches))
    text.table(lane.batch_rows(found.batches), BATCHES, alt="Batches at the provider, the newest first")


def _cancel(open_: list[ProviderBatch]) -> None:
    if not open_ or not actions.may("admin"):
        return
    for batch in open_:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"Batch of {words.moment(batch.created_at)} UTC, {words.conversations(batch.conversations)}"
            )
            if actions.confirmed("Cancel it", "Cancel it for good", CANCELLING, key=f"batch-{batch.id}"):
                actions.carry_out(calls.cancel_batch(batch.id), "batch cancelled")
