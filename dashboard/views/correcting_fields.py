"""The box on a conversation's page in which an agent gives the answer that a field should have had."""

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st

from client import calls
from client.answers import Insight, OwnField, OwnFields
from client.answers.conversations import FieldValue
from dashboard import actions, api, text, writers

YES_OR_NO: Mapping[str, str] = {"true": "yes", "false": "no"}
LONGEST_NUMBER = 40


def offer(conversation: str, insight: Insight) -> None:
    """What was corrected, and the box, where the insight has answers to fields."""
    asked = {} if insight.fields is None else _asked(insight)
    if not asked:
        return
    correction = insight.correction
    said = {} if correction is None else correction.fields or {}
    if correction is not None and said:
        own = {name: value for name, value in (correction.model.fields or {}).items() if name in said}
        text.facts({"The analyzer answers": f"\n{writers.answers(own) or 'nothing'}"})
    with st.popover("Correct a field", icon=":material/edit:", key="correct-field"):
        if not actions.may("agent"):
            return
        options = {name: name for name in asked}
        name = text.pick("Field", options, None, key=f"correct-field-{conversation}", empty="Choose a field")
        if name is not None:
            _answer(conversation, asked[name], insight, is_said=name in said)


def _asked(insight: Insight) -> Mapping[str, OwnField]:
    """The fields of the version that the insight answers, as far as the service can tell."""
    found = api.read(calls.own_fields())
    versions = found.versions if isinstance(found, OwnFields) else []
    its = (each.fields for each in versions if each.version == insight.fields_version)
    return {field.name: field for field in next(its, [])}


def _answer(conversation: str, field: OwnField, insight: Insight, *, is_said: bool) -> None:
    text.say(field.meaning, key="small-meaning")
    value = _value(f"correct-field-{conversation}-{field.name}", field, (insight.fields or {})[field.name])
    is_missing = field.required and value in (None, [])
    if st.button("Save the answer", key="correct-field-save", disabled=is_missing):
        actions.carry_out(calls.correct(conversation, fields={field.name: value}), "saved")
    if is_said and st.button("Take it back", key="correct-field-undo"):
        actions.carry_out(calls.correct(conversation, withdrawn_fields=[field.name]), "undone")


def _value(name: str, field: OwnField, counted: FieldValue) -> FieldValue:
    """What is chosen or typed, which begins with what counts; None where that is nothing."""
    key = f"{name}-{counted}"
    options = {each: each for each in field.values or {}}
    match field.type:
        case "enum":
            return text.pick("Answer", options, _word(counted), key=key, empty="none")
        case "boolean":
            chosen = text.pick("Answer", YES_OR_NO, _word(counted), key=key, empty="none")
            return None if chosen is None else chosen == "true"
        case "list":
            first = counted if isinstance(counted, list) else []
            return text.choices("Answer", options, key=key, most=field.max_items or len(options), first=first)
        case "number":
            return _number(text.field("Answer", _word(counted) or "", key=key, most=LONGEST_NUMBER))
        case _:
            return text.field("Answer", _word(counted) or "", key=key) or None


def _word(value: FieldValue) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None or isinstance(value, list) else f"{value}"


def _number(typed: str) -> FieldValue:
    """The number; what is none is sent as it is, and the service says what it has to be."""
    with suppress(ValueError):
        return float(typed)
    return typed or None
