"""With which credential the dashboard asks, for one session: a typed key, a log-in at the service, or API_KEY."""

from typing import NamedTuple

import streamlit as st

from client.sending import SESSION_COOKIE
from dashboard.settings import Settings

TYPED = "typed_key"
"""Where the session keeps the key that was typed into it."""


class Credential(NamedTuple):
    """What goes along with each call to a service; nothing while that is open."""

    url: str
    key: str | None = None
    session: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be known by."""
        return not (self.key or self.session)


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings, read once in the life of the process."""
    return Settings()


def presented() -> Credential:
    """What this session has. Whoever has logged in at the service acts as themselves, so that comes before API_KEY."""
    url = settings().url
    if typed := st.session_state.get(TYPED):
        return Credential(url, key=typed)
    # As it was when the browser connected: a cookie that is renewed later is seen after a reload.
    session: object = st.context.cookies.get(SESSION_COOKIE)
    # Streamlit's own AppTest gives an object that is no text for every cookie.
    if isinstance(session, str):
        return Credential(url, session=session)
    return Credential(url, key=settings().key)


def keep(key: str | None) -> None:
    """Use a key for the rest of this session, or forget the one that is used."""
    st.session_state[TYPED] = key
