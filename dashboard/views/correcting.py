"""The box on a conversation's page in which an agent says what the analyzer should have said."""

from typing import Literal

import streamlit as st

from client import calls
from client.answers import ChatSummary, Insight
from dashboard import actions, cases, text, words

Outcome = Literal["yes", "no", "maybe", "curious"]
Sentiment = Literal["negative", "neutral", "positive"]
MOST = 300


def offer(conversation: str, insight: Insight) -> None:
    """What was corrected, and the box: one click opens it, the next one corrects the sentiment."""
    correction = insight.correction
    if correction is not None:
        st.badge("Corrected", icon=":material/edit:", color="green")
        said = f"{correction.model.sentiment} ({words.score(correction.model.sentiment_score)})"
        text.facts({"The analyzer says": said, "Its topics": ", ".join(correction.model.clusters)})
    with st.popover("Correct", icon=":material/edit:", key="correct"):
        if not actions.may("agent"):
            return
        _sentiments(conversation, insight)
        _topics(conversation, insight)
        if correction is not None and st.button("Take the correction back", key="correct-undo"):
            actions.carry_out(calls.withdraw_correction(conversation), "undone")


def _sentiments(conversation: str, insight: Insight) -> None:
    st.write("The customer is:")
    with st.container(horizontal=True):
        _sentiment("negative", ":material/sentiment_dissatisfied:", conversation, insight)
        _sentiment("neutral", ":material/sentiment_neutral:", conversation, insight)
        _sentiment("positive", ":material/sentiment_satisfied:", conversation, insight)


def _sentiment(name: Sentiment, icon: str, conversation: str, insight: Insight) -> None:
    kind: Literal["primary", "secondary"] = "primary" if name == insight.sentiment else "secondary"
    if st.button(name, icon=icon, type=kind, key=f"correct-{name}"):
        actions.carry_out(calls.correct(conversation, sentiment=name), "saved")


def _topics(conversation: str, insight: Insight) -> None:
    filed = ", ".join(insight.grok_analysis.clusters)
    key = f"correct-topics-{conversation}-{filed}"
    typed = text.field("Topics, the best first, with commas", filed, key=key, most=MOST)
    chosen = [each.strip() for each in typed.split(",") if each.strip()]
    if st.button("Save the topics", key="correct-topics-save", disabled=not chosen):
        actions.carry_out(calls.correct(conversation, clusters=chosen), "saved")


def offer_outcome(summary: ChatSummary) -> None:
    """What was corrected of a summary, and the box: one click opens it, the next one corrects the outcome.

    There is none for a summary that newer messages have overtaken: the service refuses its correction.
    """
    is_corrected = summary.outcome != summary.model_outcome
    if is_corrected:
        st.badge("Corrected", icon=":material/edit:", color="green")
        text.facts({"The analyzer says": cases.outcome(summary.model_outcome)})
    if summary.stale:
        return
    with st.popover("Correct the outcome", icon=":material/edit:", key="correct-outcome"):
        if not actions.may("agent"):
            return
        st.write("The case is:")
        _outcome("maybe", "open", summary)
        _outcome("no", "over, and not solved", summary)
        _outcome("yes", "solved", summary)
        _outcome("curious", "only asked for something", summary)
        if is_corrected and st.button("Take the correction back", key="correct-outcome-undo"):
            actions.carry_out(calls.correct(summary.conversation_id, outcome=None), "undone")


def _outcome(name: Outcome, label: str, summary: ChatSummary) -> None:
    kind: Literal["primary", "secondary"] = "primary" if name == summary.outcome else "secondary"
    if st.button(label, type=kind, key=f"correct-outcome-{name}"):
        actions.carry_out(calls.correct(summary.conversation_id, outcome=name), "saved")
