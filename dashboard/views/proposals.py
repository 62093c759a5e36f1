"""New topics: groups of conversations that no topic explains; a row opens one, and agents have them looked for."""

import streamlit as st

from client import calls
from client.answers import ProposalsPage
from client.wire import Call
from dashboard import actions, api, filters, pages, proposed, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.views import under_way

LIMIT = 100
COLUMNS = {
    "name": st.column_config.TextColumn("Name", pinned=True),
    "size": st.column_config.NumberColumn("n", help="Conversations of the group", format="localized"),
    "people": st.column_config.NumberColumn("People", format="localized"),
    "before": st.column_config.NumberColumn(
        "People before", help="In the equally long window before", format="localized"
    ),
    "likely": st.column_config.TextColumn("Likely", help="Whether it has grown by more than chance makes"),
    "words": st.column_config.TextColumn("Words", help="They tell the group from the others"),
    "example": st.column_config.TextColumn("Example", width="large"),
    "language": st.column_config.TextColumn("Language"),
    "first": st.column_config.DatetimeColumn("First seen", format="YYYY-MM-DD"),
    "last": st.column_config.DatetimeColumn("Last seen", format="YYYY-MM-DD"),
}
STATES = {None: "open", "accepted": "accepted", "rejected": "rejected"}
TABLE = "Groups of conversations that might be topics, the largest first"
LOOKING = frozenset({"discovery", "proposal_acceptance"})


def show() -> None:
    """The page."""
    st.title("New topics", anchor=False)
    actions.outcome()
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    found, jobs = api.read(_asked(address), under_way.asked())
    is_busy = under_way.follow(jobs, LOOKING)
    _discover(window, is_busy=is_busy)
    filters.one_of("Which", "state", address, STATES)
    if isinstance(found, Problem):
        states.explain(found)
    elif found.proposals:
        _listed(address, window, found)
    else:
        states.empty("There is none. Have new topics looked for, in a window with at least 20 conversations.")


def _asked(address: Address) -> Call[ProposalsPage]:
    state = address.state if address.state in STATES and address.state else "proposed"
    return calls.proposals_page(state=state, limit=LIMIT, cursor=address.cursor)


def _discover(window: Window, *, is_busy: bool) -> None:
    if not actions.may("agent"):
        return
    if st.button(
        "Look for new topics now",
        type="primary",
        icon=":material/search:",
        help=f"In the window {words.span(*window)}",
        disabled=is_busy,
    ):
        actions.carry_out(calls.discover_topics(start_time=window.start, end_time=window.end))


def _listed(address: Address, window: Window, found: ProposalsPage) -> None:
    st.caption("A row opens its conversations. What is accepted becomes a topic.")
    rows = proposed.proposal_rows(found.proposals)
    ids = [each.id for each in found.proposals]
    opened = text.choosable(rows, COLUMNS, alt=TABLE, key="proposals", ids=ids, marked=address.proposal)
    if opened is not None:
        pages.go(pages.PROPOSAL, address.within(window).but(proposal=opened))
    if found.next_cursor:
        onward = address.within(window).but(cursor=found.next_cursor, proposal=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


if __name__ == "__main__":
    show()
