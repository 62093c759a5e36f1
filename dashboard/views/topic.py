"""A topic: what it means and is made of, what was done to it; agents rename, hide, merge and split it here."""

from typing import Any

import streamlit as st

from client import calls
from client.answers import Topic, TopicHistory, TopicsPage
from client.calls.topics import KEEP
from dashboard import actions, api, curation, pages, running, states, text
from dashboard.address import WINDOW, Address
from dashboard.api import Problem
from dashboard.views import under_way
from dashboard.views.topic_changes import COLUMNS

MOST = 1_000
TOGETHER = 49
"""Topics that one merge takes, beside the one that they go into."""
FACTS = {
    "what": st.column_config.TextColumn("What", width=130),
    "found": st.column_config.TextColumn("Found", width="large"),
}


def show() -> None:
    """The page."""
    st.title("Topic", anchor=False)
    actions.outcome()
    address = Address.current()
    _back(address)
    if address.topic is None:
        states.empty("The address names no topic. Open one from the list.")
        return
    known, history, jobs = api.read(
        calls.all_topics_page(limit=MOST),
        calls.topic_history(address.topic, limit=20),
        under_way.asked(),
    )
    if isinstance(known, Problem):
        states.explain(known)
        return
    topic = curation.found(known.topics, address.topic)
    if topic is None:
        states.empty("There is no such topic. It may have another name by now: look in the list.")
        return
    text.say(topic.label, key="large-topic")
    is_busy = under_way.follow(jobs, running.CURATION)
    about, change = st.columns([3, 2], gap="large")
    with about:
        _about(topic, known, history, address)
    with change:
        _change(topic, known, is_busy=is_busy)


def _back(address: Address) -> None:
    whole = address.but(topic=None)
    st.page_link(
        pages.TOPICS.path, label="All topics", icon=":material/arrow_back:", query_params=whole.parameters
    )


def _about(topic: Topic, known: TopicsPage, history: TopicHistory | Problem, address: Address) -> None:
    st.header("What it is", anchor=False)
    text.table(curation.facts(topic, known.topics), FACTS, alt="What is known of the topic")
    opened = address.only(*WINDOW).but(topic=topic.slug)
    st.page_link(
        pages.CONVERSATIONS.path,
        label="Its conversations",
        icon=":material/forum:",
        query_params=opened.parameters,
    )
    st.header("What was done to it", anchor=False)
    if isinstance(history, Problem) or not history.changes:
        states.empty("Nobody has changed it.")
        return
    rows = curation.change_rows(history.changes, curation.names(known.topics))
    text.table(rows, COLUMNS, alt="What was done to the topic, the newest first")


def _change(topic: Topic, known: TopicsPage, *, is_busy: bool) -> None:
    st.header("Change it", anchor=False)
    if not actions.may("agent"):
        return
    others = {
        each.id: f"{each.label} ({each.slug})"
        for each in known.topics
        if each.id != topic.id and each.state != "merged"
    }
    _edit(topic, others)
    _hide(topic)
    if is_busy:
        st.caption("Topics can be merged and split again when the job above has ended.")
        return
    _merge(topic, others)
    _split(topic)


def _edit(topic: Topic, others: dict[str, str]) -> None:
    with st.form(f"edit-{topic.id}"):
        label = text.field("Label", topic.label, key=_key("label", topic, topic.label))
        meaning = text.field(
            "Meaning, which analyzers are told",
            topic.description,
            key=_key("meaning", topic, topic.description),
            lines=3,
            most=300,
        )
        above = text.pick(
            "Above it", others, topic.parent, key=_key("above", topic, topic.parent or ""), empty="no topic"
        )
        if not st.form_submit_button("Save", type="primary"):
            return
    call = calls.change_topic(
        topic.id,
        label=_new(label or None, topic.label),
        description=_new(meaning, topic.description),
        parent=_new(above, topic.parent),
    )
    actions.carry_out(call, "saved")


def _new(value: str | None, old: str | None) -> Any:
    return KEEP if value == old else value


def _key(name: str, topic: Topic, stored: str) -> str:
    """Another key once something else is stored, so that the field begins with that."""
    return f"{name}-{topic.id}-{hash(stored):x}"


def _hide(topic: Topic) -> None:
    if topic.state == "hidden":
        if st.button("Show it again", icon=":material/visibility:"):
            actions.carry_out(calls.change_topic(topic.id, state="active"), "saved")
    elif st.button("Hide it", icon=":material/visibility_off:", help=HIDING):
        actions.carry_out(calls.change_topic(topic.id, state="hidden"), "saved")


def _merge(topic: Topic, others: dict[str, str]) -> None:
    st.subheader("Merge", anchor=False)
    sources = text.choices("Topics that go into it", others, key=f"merge-{topic.id}", most=TOGETHER)
    if sources and actions.confirmed("Merge them", "Merge them now", MERGING, key="merge"):
        actions.carry_out(calls.merge_topics(sources, topic.id))


def _split(topic: Topic) -> None:
    st.subheader("Split", anchor=False)
    said = text.field("Words, all in one message", "", key=f"split-words-{topic.id}")
    slug = text.field("Slug of the new topic, such as lost_luggage", "", key=f"split-slug-{topic.id}")
    if not (said and slug):
        st.caption("Conversations with these words move to a topic of their own.")
        return
    opened = Address.current().only(*WINDOW).but(topic=topic.slug, words=said)
    st.page_link(
        pages.CONVERSATIONS.path,
        label="Which these are, in the window",
        icon=":material/search:",
        query_params=opened.parameters,
    )
    if actions.confirmed("Split it", "Split it now", SPLITTING, key="split"):
        actions.carry_out(calls.split_topic(topic.id, slug, words=said))


HIDING = "It is still counted and found by name, but analyzers are not told it."
MERGING = "Every count, of the past too, is then of their union. Undo takes them apart again."
SPLITTING = (
    "Conversations of all windows with these words move, and their insights are filed anew. Undo moves them back, "
    "apart from those that were analysed since."
)

if __name__ == "__main__":
    show()
