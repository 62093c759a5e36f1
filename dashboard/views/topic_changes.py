"""What was done to topics, by whom, the newest first; and taking the last of it back."""

import streamlit as st

from client import calls
from client.answers import TopicChange
from dashboard import actions, api, curation, pages, running, states, text
from dashboard.address import WINDOW, Address
from dashboard.api import Problem
from dashboard.views import under_way

LIMIT = 100
COLUMNS = {
    "when": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm"),
    "what": st.column_config.TextColumn("What was done", width="large"),
    "by": st.column_config.TextColumn("By"),
    "taken back": st.column_config.DatetimeColumn("Taken back", format="YYYY-MM-DD HH:mm"),
    "taken back by": st.column_config.TextColumn("Taken back by"),
}
UNDOING = "This takes it back exactly. Pressed again, the change before it is taken back. There is no undo of an undo."


def show() -> None:
    """The page."""
    st.title("What was done to topics", anchor=False)
    actions.outcome()
    address = Address.current()
    st.page_link(
        pages.TOPICS.path,
        label="All topics",
        icon=":material/arrow_back:",
        query_params=address.only(*WINDOW).parameters,
    )
    done, known, jobs = api.read(
        calls.topic_changes(limit=LIMIT, cursor=address.cursor),
        calls.all_topics_page(limit=1_000),
        under_way.asked(),
    )
    if isinstance(done, Problem):
        states.explain(done)
        return
    called = {} if isinstance(known, Problem) else curation.names(known.topics)
    is_busy = under_way.follow(jobs, running.CURATION)
    if not done.changes:
        states.empty("Nobody has changed a topic.")
        return
    last = curation.standing(done.changes)
    if last is not None and address.cursor is None:
        _undo(last, called, is_busy=is_busy)
    text.table(curation.change_rows(done.changes, called), COLUMNS, alt="Changes, the newest first")
    if done.next_cursor:
        onward = address.but(cursor=done.next_cursor)
        st.button("Earlier changes", icon=":material/arrow_forward:", on_click=onward.write)


def _undo(last: TopicChange, called: curation.Names, *, is_busy: bool) -> None:
    with st.container(border=True):
        st.caption("The next undo takes back:")
        text.say(f"{curation.sentence_of(last, called)}, by {last.by}", key="large-undo")
        if not actions.may("agent"):
            return
        if is_busy:
            st.caption("It can be taken back when the job above has ended.")
        elif actions.confirmed("Undo", "Take it back", UNDOING, key="undo"):
            _take_back(last)


def _take_back(last: TopicChange) -> None:
    """Only what was shown: somebody may have done something since."""
    newest = api.fresh(calls.topic_changes(limit=LIMIT))
    if isinstance(newest, Problem):
        actions.note(newest)
    elif curation.standing(newest.changes) != last:
        actions.note("newer")
    else:
        actions.carry_out(calls.undo_topic_change(), "undone")
    api.forget()
    st.rerun()


if __name__ == "__main__":
    show()
