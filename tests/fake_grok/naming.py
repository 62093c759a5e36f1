"""How the fake Grok names groups: after their first word."""

from typing import Any

from pydantic import Field

from tests.fake_grok.requests import INVALID, Refused, ResponseFormat, Strict, parsed

FIELDS = {"names"}


class SentGroup(Strict):
    group_id: str
    words: list[str] = Field(min_length=1)
    examples: list[str]


class NamingQuestion(Strict):
    groups: list[SentGroup] = Field(min_length=1, max_length=20)


def checked(answer_format: ResponseFormat, asked: str) -> NamingQuestion:
    """The groups of a user message. Raises Refused."""
    question = parsed(NamingQuestion, asked.encode(), status=400)
    if [each.group_id for each in question.groups] != [str(n + 1) for n in range(len(question.groups))]:
        raise Refused(400, INVALID, "the ids of groups count from 1")
    schema = None if answer_format.json_schema is None else answer_format.json_schema.schema_
    if answer_format.type == "json_schema" and (schema is None or set(schema["required"]) != FIELDS):
        raise Refused(400, INVALID, "the schema is not one of names")
    return question


def answer(question: NamingQuestion) -> dict[str, Any]:
    """A name for each: the same for the same group."""
    return {
        "names": [
            {
                "group_id": each.group_id,
                "label": f"About {each.words[0]}",
                "description": f"People write about {each.words[0]}.",
            }
            for each in question.groups
        ]
    }
