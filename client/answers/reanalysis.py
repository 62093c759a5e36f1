"""What the service answers about analysing conversations again."""

from typing import Literal

from .base import Answer
from .jobs import Job


class ReanalysisEstimate(Answer):
    """How many conversations would be analysed again, and what that costs; None where it is not known.

    `free` of them have an answer of this model and prompt already.
    """

    conversations: int
    free: int
    calls: int
    usd: float | None
    usd_per_conversation: float | None
    seconds: float | None
    analyzer: str
    model: str
    based_on: str


class SentimentChange(Answer):
    """How many conversations of a sample had a sentiment before, and have one now."""

    before: Literal["positive", "neutral", "negative", "unsure", "none"]
    after: Literal["positive", "neutral", "negative", "unsure"]
    conversations: int


class TopicSwap(Answer):
    """How many conversations of a sample have a topic, would have it, would get it and would lose it."""

    topic: str
    before: int
    after: int
    came: int
    went: int


class ScoreShift(Answer):
    """The mean shift of scores, with the interval that has the true one in 19 of 20 samples."""

    n: int
    mean: float
    low: float
    high: float


class ReanalysisSample(Answer):
    """What a re-analysis would change, by a sample of the chosen conversations."""

    compared: int
    population: int
    sentiments: list[SentimentChange]
    topics: list[TopicSwap]
    shift: ScoreShift | None


class Reanalysis(Answer):
    """A re-analysis: its job, and what has become of the conversations."""

    job: Job
    changed: int
    unchanged: int
    dropped: int
    failed: int
    max_usd: float | None
    lost_usd: float
    sample: ReanalysisSample | None
