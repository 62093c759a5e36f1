"""What somebody pressed: it is carried out, and the next run says what came of it."""

from collections.abc import Mapping
from typing import Any, NoReturn

import streamlit as st

from client.answers import Job
from client.wire import Call
from dashboard import api, people, text
from dashboard.api import Kind, Problem
from dashboard.people import Role

OUTCOME = "outcome"
"""Where a session keeps it until it is said."""
BEGUN = "begun"
"""Where a session keeps the id of the job that was begun, until a page has looked at it."""
DONE: Mapping[str, str] = {
    "saved": "Saved.",
    "undone": "Taken back.",
    "newer": "Nothing was taken back: somebody has done something since. Look at what the next undo takes back now.",
    "rejected": "Rejected. It is not proposed again.",
    "paused": "Analysis is paused. Intake goes on.",
    "resumed": "Analysis goes on.",
    "job paused": "The job waits until somebody lets it go on.",
    "job resumed": "The job goes on.",
    "completed": "It is done.",
    "batch cancelled": "The batch is cancelled. What it is not answered goes live once the provider has settled it.",
    "cancelled": "It was cancelled. What it had done stays.",
    "capped": "It has spent what it may, and has ended.",
}
REFUSED: Mapping[Kind, str] = {
    "unknown": "The service does not know you any more. Nothing was changed; log in and try again.",
    "forbidden": "Your role does not allow this. Nothing was changed.",
    "limited": "The service was asked too often. Nothing was changed; try again in a moment.",
    "away": "The service did not answer. Look whether it was carried out before you try again.",
    "missing": "There is no such thing any more. Nothing was changed.",
    "refused": "The service does not do this.",
    "failed": "It failed.",
}
TAKES: Mapping[Role, str] = {
    "viewer": "This takes the role viewer.",
    "agent": "You may read this page. To change something takes the role agent.",
    "admin": "You may read this page. To change something takes the role admin.",
}


def carry_out(call: Call[Any], done: str = "completed", *, is_steering: bool = False) -> NoReturn:
    """Change something, and draw the page anew. `done` is the key of what is said if it succeeds.

    A job that is begun is followed by the page (views/under_way.py); one that is only steered is not.
    """
    answer = api.change(call)
    if isinstance(answer, Job) and not is_steering:
        st.session_state[BEGUN] = answer.id
    else:
        note(answer if isinstance(answer, Problem) else done)
    st.rerun()


def begun() -> str | None:
    """The id of the job that has just been begun, once."""
    id_: str | None = st.session_state.pop(BEGUN, None)
    return id_


def note(outcome: Problem | str) -> None:
    """Keep what came of something, by its key, until the next run says it."""
    st.session_state[OUTCOME] = outcome


def outcome() -> None:
    """Say what came of what was pressed, once."""
    found = st.session_state.pop(OUTCOME, None)
    if isinstance(found, Problem):
        st.error(REFUSED[found.kind], icon=":material/error:")
        text.say(found.words, key="small-outcome")
    elif found is not None:
        st.success(DONE[found], icon=":material/check:")


def may(role: Role) -> bool:
    """Whether whoever looks at the page may press what takes a role; says what it takes if not."""
    who = people.here()
    if who is None:
        return False
    if who.may(role):
        return True
    st.info(TAKES[role], icon=":material/lock:")
    return False


def confirmed(label: str, button: str, warning: str, *, key: str) -> bool:
    """Whether something big was pressed: a button that opens what it does, and a second one in there."""
    with st.popover(label, icon=":material/warning:", key=f"{key}-popover"):
        st.write(warning)
        return st.button(button, type="primary", key=key)
