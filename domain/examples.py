"""Examples in the prompt: corrected conversations that show an analyzer what it gets wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.fields.fieldsets import FieldAnswers

MOST_EXAMPLES = 12
LONGEST = 600
"""Characters of an example's text; a longer conversation is none, since a part of it may say something else."""


class PromptExample(NamedTuple):
    """A conversation as an analyzer is shown it, with what a person says of it."""

    text: str
    score: int
    """In units of 1/10,000."""
    clusters: tuple[str, ...]
    fields: FieldAnswers | None = None
    """What the analyzer answered to the operator's fields."""


@dataclass
class ToldExamples:
    """The examples that analyzers are told now. They change at most daily, or prompt caching would not hold."""

    examples: Sequence[PromptExample] = ()
