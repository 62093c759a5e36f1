"""What a page shows in place of what was asked for: why there is nothing, and what to do."""

import streamlit as st

from dashboard import api, credentials, text, words
from dashboard.api import Problem

RETRY = 3.0
"""Seconds between two looks for the service."""


def explain(problem: Problem) -> None:
    """Say why there is no answer."""
    match problem.kind:
        case "unknown":
            log_in(problem)
        case "forbidden":
            st.header("You may not see this", anchor=False)
            st.write(
                "Your role does not allow it. Ask whoever runs the service for a key or a role that does."
            )
        case "limited":
            st.header("Asked too often", anchor=False)
            st.write(
                f"The service takes no more questions for {words.count(_wait(problem))} seconds. This page waits."
            )
            st.session_state[AWAY] = True
        case "away":
            st.header("The service does not answer", anchor=False)
            st.write("This page looks for it, and comes back by itself. What you have typed stays.")
            text.say(problem.words)
            st.session_state[AWAY] = True
        case "missing":
            st.header("There is nothing here", anchor=False)
            st.write("It was deleted, or the address is not complete.")
        case "refused":
            st.header("The service does not take this question", anchor=False)
            text.say(problem.words)


def empty(why: str) -> None:
    """Say that there are no rows, and why that may be; in words of our own."""
    st.info(why, icon=":material/inbox:")


def log_in(problem: Problem) -> None:
    """Ask for a key, or show where to log in."""
    st.title("Log in", anchor=False)
    if not credentials.presented().is_empty:
        st.warning(
            "The key or the log-in that this page has is not valid, or not any more.",
            icon=":material/key_off:",
        )
    with st.form("log-in", border=True):
        st.text_input("API key", type="password", key="offered_key", help="It is kept for this tab only.")
        st.form_submit_button("Use this key", type="primary", on_click=_use)
    st.link_button("Log in at the service", credentials.settings().login, icon=":material/login:")
    st.write("After that, reload this page.")
    with st.expander("What the service says"):
        text.say(problem.words)


def _use() -> None:
    credentials.keep(st.session_state["offered_key"].strip() or None)


def _wait(problem: Problem) -> int:
    return max(1, round(problem.retry_after or 1))


def pulse() -> None:
    """Look for the service every few seconds, and say so while it is away; draw the page anew when it is back."""
    st.session_state[TICKS] = 0
    _beat()


@st.fragment(run_every=RETRY)
def _beat() -> None:
    st.session_state[TICKS] += 1
    # The first time comes with the page, whose own questions have just been answered or not.
    if st.session_state[TICKS] == 1 and not st.session_state.get(AWAY):
        return
    was_away, st.session_state[AWAY] = st.session_state.get(AWAY), not api.is_there()
    if st.session_state[AWAY]:
        st.warning(GONE, icon=":material/cloud_off:")
    elif was_away and st.session_state[TICKS] > 1:  # a service that answers and fails is asked no sooner
        st.rerun()


TICKS, AWAY = "ticks", "away"
"""How often a session has looked for the service since its page was drawn, and whether it was away the last time."""
GONE = "The service does not answer. What is shown was there before; this page goes on by itself when it is back."
