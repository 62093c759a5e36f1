"""Charts. Each has a text for screen readers, and says how many conversations it is made of.

Bars cannot be reached by keyboard, so whoever draws a chart draws the table of the same rows beside it.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import words
from dashboard.text import Row

FEW = 20
"""Of fewer conversations a chart shows chance, so there is none."""
ROW = 26
UP, DOWN = "#1f6fb2", "#b3541e"
"""Blue and orange are told apart by everybody, on white and on black."""


def too_few(number: int) -> bool:
    """Whether there are too few conversations for a chart; then it says so."""
    if number >= FEW:
        return False
    st.info(
        f"Too few for a chart: {words.n(number)}, and it takes {words.count(FEW)}.",
        icon=":material/blur_off:",
    )
    return True


def figure(where: DeltaGenerator, label: str, value: str, before: str) -> None:
    """A figure and what it was before; all three texts are our own."""
    where.metric(label, value, f"was {before}", delta_color="off", delta_arrow="off")


def changes(rows: Sequence[Row], *, name: str, value: str, id_: str, key: str, alt_text: str) -> str | None:
    """Horizontal bars to the left and right of zero; the id of the bar that was clicked.

    `name`, `value` and `id_` are columns of the rows.
    """
    click = alt.selection_point(name="bar", fields=[id_], on="click", empty=False)
    chart = (
        alt.Chart({"values": [{each: row[each] for each in (name, value, id_)} for row in rows]})
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X(f"{value}:Q", title="Change in conversations", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y(f"{name}:N", title=None, sort=None, axis=alt.Axis(labelLimit=220, labelOverlap=False)),
            color=alt.condition(alt.datum[value] >= 0, alt.value(UP), alt.value(DOWN)),
            tooltip=[alt.Tooltip(f"{name}:N", title="Topic"), alt.Tooltip(f"{value}:Q", title="Change")],
        )
        .add_params(click)
        .properties(height=alt.Step(ROW))
    )
    return _chosen(st.altair_chart(chart, key=key, on_select="rerun", alt=alt_text), id_)


def _chosen(event: Any, id_: str) -> str | None:
    picked = event["selection"].get("bar", [])
    return str(picked[0][id_]) if picked else None
