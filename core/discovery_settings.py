"""The settings of discovery."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings


def lower(value: Any) -> Any:
    """A word in lower case, without spaces around it."""
    return value.strip().lower() if isinstance(value, str) else value


class DiscoverySettings(BaseSettings):
    """Part of the settings of the process."""

    topic_discovery: Annotated[bool, BeforeValidator(lower)] = False
    """Whether topics are looked for once a day."""
    corrections_as_examples: Annotated[bool, BeforeValidator(lower)] = False
    """Whether the most telling corrections stand in the prompt."""
    min_people: int = Field(default=5, ge=2, le=1000)
    """How many different people a group must have to be proposed, and a word to be in its name."""
