"""How the fake Grok answers a question about conversations: yes where a text has the question's last word."""

import re
from typing import Any

from pydantic import Field

from tests.fake_grok.requests import INVALID, Conversation, Refused, ResponseFormat, Strict, parsed

FIELDS = {"decisions"}


class DecidingQuestion(Strict):
    question: str = Field(min_length=1)
    conversations: list[Conversation] = Field(min_length=1, max_length=20)


def checked(answer_format: ResponseFormat, asked: str) -> DecidingQuestion:
    """What is asked in a user message. Raises Refused."""
    question = parsed(DecidingQuestion, asked.encode(), status=400)
    ids = [each.conversation_id for each in question.conversations]
    if ids != [str(n + 1) for n in range(len(ids))]:
        raise Refused(400, INVALID, "the ids of conversations count from 1")
    schema = None if answer_format.json_schema is None else answer_format.json_schema.schema_
    if answer_format.type == "json_schema" and (schema is None or set(schema["required"]) != FIELDS):
        raise Refused(400, INVALID, "the schema is not one of decisions")
    return question


def answer(question: DecidingQuestion) -> dict[str, Any]:
    """Yes or no for each: the same for the same text."""
    last = re.findall(r"\w+", question.question.lower())[-1]
    return {
        "decisions": [
            {"conversation_id": each.conversation_id, "answer": last in each.text.lower()}
            for each in question.conversations
        ]
    }
