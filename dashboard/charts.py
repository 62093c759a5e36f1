"""Charts. Each has a text for screen readers, and says how many conversations it is made of.

Bars cannot be reached by keyboard, so whoever draws a chart draws the table of the same rows beside it.
"""

from collections.abc import Callable, Sequence
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


def changes(
    rows: Sequence[Row],
    *,
    name: str,
    value: str,
    id_: str,
    key: str,
    alt_text: str,
    of: str = "Topic",
    title: str = "Change in conversations",
    is_counted: bool = True,
) -> str | None:
    """Horizontal bars to the left and right of zero; the id of the bar that was clicked.

    `name`, `value` and `id_` are columns of the rows; values are whole numbers where `is_counted`.
    """
    tip = alt.Tooltip(f"{value}:Q", title=title, format="+,d" if is_counted else "+.3f")
    axis = alt.Axis(tickMinStep=1) if is_counted else alt.Axis()
    click = alt.selection_point(name="bar", fields=[id_], on="click", empty=False)
    chart = (
        alt.Chart({"values": [{each: row[each] for each in (name, value, id_)} for row in rows]})
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X(f"{value}:Q", title=title, axis=axis),
            y=alt.Y(f"{name}:N", title=None, sort=None, axis=alt.Axis(labelLimit=220, labelOverlap=False)),
            color=alt.condition(alt.datum[value] >= 0, alt.value(UP), alt.value(DOWN)),
            tooltip=[alt.Tooltip(f"{name}:N", title=of), tip],
        )
        .add_params(click)
        .properties(height=alt.Step(ROW))
    )
    return _chosen(st.altair_chart(chart, key=key, on_select="rerun", alt=alt_text), id_)


def days(rows: Sequence[Row], *, key: str, alt_text: str, opened: Callable[[str], None]) -> None:
    """The mean sentiment over time; a click anywhere above a day calls `opened` with its `id`.

    Rows have `id`, `when`, `n`, `mean`, `negative`, `said` with all of it in words, `is shown` for what the page is
    about, and `is few`.
    """
    means = [mean for row in rows if isinstance(mean := row["mean"], float)] or [0.0]
    low, high = min(means) - MARGIN, max(means) + MARGIN
    base = alt.Chart({"values": [{**row, "low": low, "high": high} for row in rows]}).encode(
        description=alt.Description("said:N"),
        x=alt.X("id:O", title=None, axis=alt.Axis(labelOverlap=True, labelAngle=0, labelExpr=DAY)),
    )
    click = alt.selection_point(name="bar", fields=["id"], on="click", empty=False)
    scale = alt.Scale(domain=[low, high], nice=False)
    columns = (
        base.mark_bar(cursor="pointer", color=UP)
        .encode(
            y=alt.Y("low:Q", scale=scale, title="Mean sentiment"),
            y2="high:Q",
            opacity=alt.condition("datum['is shown']", alt.value(0.25), alt.value(0.04)),
            tooltip=TIPS,
        )
        .add_params(click)
    )
    line = base.mark_line(color=UP, opacity=0.6).encode(
        y=alt.Y("mean:Q", scale=scale, title="Mean sentiment")
    )
    points = base.mark_point(size=70, color=UP).encode(
        y=alt.Y("mean:Q", scale=scale, title="Mean sentiment"),
        fill=alt.condition("datum['is few']", alt.value("transparent"), alt.value(UP)),
        tooltip=TIPS,
    )
    chart = alt.layer(line, points, columns).properties(height=220)
    st.altair_chart(chart, key=key, on_select=lambda: _tell(key, opened), alt=alt_text)


MARGIN = 0.05
DAY = "timeFormat(toDate(datum.value), '%-d %b')"
TIPS = [
    alt.Tooltip("when:N", title="When"),
    alt.Tooltip("n:Q", title="n"),
    alt.Tooltip("mean:Q", title="Mean sentiment", format="+.2f"),
    alt.Tooltip("negative:Q", title="Negative", format=".0%"),
]


def lines(rows: Sequence[Row], *, key: str, alt_text: str) -> None:
    """A line for each `topic`: its conversations, `n`, over `when`."""
    chart = (
        alt.Chart({"values": list(rows)})
        .mark_line(point=True, interpolate="step-after")
        .encode(
            x=alt.X("when:T", title=None, scale=alt.Scale(type="utc")),
            y=alt.Y("n:Q", title="Conversations", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "topic:N", title=None, legend=alt.Legend(orient="top", labelLimit=300), sort=None
            ),
            strokeDash=alt.StrokeDash("topic:N", legend=None, sort=None),
            tooltip=[
                alt.Tooltip("topic:N", title="Topic"),
                alt.Tooltip("when:T", title="From", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("n:Q", title="n"),
            ],
        )
        .properties(height=260)
    )
    st.altair_chart(chart, key=key, alt=alt_text)


def spending(rows: Sequence[Row], budget: float | None, *, key: str, alt_text: str) -> None:
    """Dollars by `day`, stacked by what they were `for`, and a line at the daily budget."""
    bars = (
        alt.Chart({"values": list(rows)})
        .mark_bar()
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("usd:Q", title="Dollars"),
            color=alt.Color("for:N", title=None, legend=alt.Legend(orient="top"), sort=None),
            tooltip=[
                alt.Tooltip("day:O", title="Day"),
                alt.Tooltip("for:N", title="For"),
                alt.Tooltip("usd:Q", title="Dollars", format="$.4f"),
            ],
        )
    )
    layers: list[alt.Chart] = [bars]
    if budget is not None:
        rule = alt.Chart({"values": [{"budget": budget}]}).mark_rule(strokeDash=[4, 4], aria=False)
        layers.append(rule.encode(y="budget:Q"))
    chart = alt.layer(*layers).properties(height=220)
    st.altair_chart(chart, key=key, alt=alt_text)


def _tell(key: str, opened: Callable[[str], None]) -> None:
    picked = st.session_state[key]["selection"].get("bar", [])
    if picked:
        opened(str(picked[0]["id"]))


def _chosen(event: Any, id_: str) -> str | None:
    picked = event["selection"].get("bar", [])
    return str(picked[0][id_]) if picked else None
