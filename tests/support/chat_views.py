"""Chats as the API answers them."""

from typing import Any


def names(chat: dict[str, Any]) -> list[str]:
    """The ids of a chat's participants."""
    return [each["id"] for each in chat["participants"]]
