"""What every page has around it: the menu, who is here, and how the service is."""

from pathlib import Path

import streamlit as st

from client.answers import Health
from dashboard import api, credentials, pages, states, words
from dashboard.address import WINDOW, Address
from dashboard.api import Problem
from dashboard.people import Person, person

ICON = Path(__file__).with_name("icon.svg")
"""A name of Material's, a letter of a font everywhere else, would here be fetched from fonts.gstatic.com."""
STYLE = """<style>
[data-testid="stMultiSelectTagsContainer"] [data-tag] * { color: light-dark(#ffffff, #12181f); }
[data-testid="stText"] { font-family: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }
[class*="st-key-large"] [data-testid="stText"] { font-size: 1.3rem; line-height: 1.45; }
[class*="st-key-small"] [data-testid="stText"] { font-size: 0.875rem; }
[data-testid^="stBaseButton-primary"] * { color: light-dark(#ffffff, #12181f); }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.85; }
[data-testid="stVegaLiteChart"] :is(.role-axis-label, .role-axis-title) text { fill: currentColor !important; }
</style>"""


def draw() -> None:
    """The whole page."""
    st.set_page_config("Insights", page_icon=str(ICON), layout="wide")
    st.html(STYLE)
    page = st.navigation(pages.registered(), position="hidden")
    states.pulse()
    me, health = api.arrived()
    if isinstance(me, Problem):
        states.explain(me)
        return
    address, misread = Address.of(st.query_params.to_dict())
    _menu(page, address, person(me), health)
    if misread:
        st.warning("A part of the address makes no sense, and was left out.", icon=":material/link_off:")
    page.run()


def _menu(page: st.Page, address: Address, who: Person, health: Health | Problem) -> None:
    along = address.only(*WINDOW).parameters
    with st.sidebar:
        for entry in pages.ALL:
            if entry.in_menu:
                # A link to the page that is shown does not change its address, so it must not change the page either.
                to = address.parameters if entry.title == page.title else along
                st.page_link(entry.path, label=entry.title, icon=entry.icon, query_params=to, width="stretch")
        st.divider()
        _badges(health)
        _who(who)


def _badges(health: Health | Problem) -> None:
    if isinstance(health, Problem):
        st.badge("Health is not known", icon=":material/help:", color="gray")
        return
    if health.analyzer == "offline":
        st.badge("Offline analyzer", icon=":material/cloud_off:", color="orange", help=OFFLINE)
    if health.status != "ok":
        st.badge("Not all is well", icon=":material/warning:", color="red")
    if health.queue_size:
        st.badge(
            f"{words.count(health.queue_size)} waiting",
            icon=":material/hourglass:",
            color="blue",
            help=WAITING,
        )


OFFLINE = "Sentiment and topics come from word lists, not from Grok: right less often."
WAITING = "Conversations that are stored and not analysed yet. They are not in the figures."


ROLES = {"viewer": "Viewer", "agent": "Agent", "admin": "Admin"}


def _who(who: Person) -> None:
    if not who.is_known:
        st.badge("Open to everybody", icon=":material/lock_open:", color="gray")
        return
    st.badge(ROLES[who.role], icon=":material/person:", color="gray")
    if st.session_state.get(credentials.TYPED):
        st.button("Forget the key", on_click=credentials.keep, args=(None,))
