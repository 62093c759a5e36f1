"""What could be analysed by Grok that was analysed offline, once there is a key: said where people arrive."""

import streamlit as st

from client.answers import Health
from dashboard import words
from dashboard.api import Problem

HOW = "An admin has it done by `POST /api/v1/reanalysis` with the filter `analyzer: offline`."


def show(health: Health | Problem) -> None:
    """The offer, if there is one that somebody can take."""
    if isinstance(health, Problem) or health.offer is None or health.analyzer == "offline":
        return
    found, price = health.offer, ""
    if found.usd is not None:
        # Two dollar signs would begin and end a formula.
        price = f"; {found.analyzer.capitalize()} would cost about \\${found.usd:,.2f}"
    st.info(
        f"{words.conversations(found.conversations)} analysed offline{price}. {HOW}",
        icon=":material/auto_awesome:",
    )
