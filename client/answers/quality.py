"""What the service answers about the measured quality of analyses."""

from pydantic import Field

from .base import Answer
from .insights import ListedInsight


class Accuracy(Answer):
    """An estimated share of right ones, None if none was checked; it lies between `low` and `high`."""

    checked: int
    accuracy: float | None
    low: float
    high: float


class QualityThreshold(Accuracy):
    """The lowest confidence from which on insights are right often enough, and the part of them that has it."""

    confidence: float
    share: float


class QualityBin(Accuracy):
    """The insights of a range of confidence; `to` is excluded but for 1."""

    from_: float = Field(alias="from")
    to: float
    share: float | None
    mean_confidence: float | None


class QualityMaker(Accuracy):
    """What an analyzer, with a model and a version of its prompt, said of checked texts."""

    analyzer: str
    model: str
    prompt_version: str | None


class QualityTopic(Accuracy):
    """The sentiment of insights with a topic; `precision` is how often the topic itself is right."""

    slug: str
    precision: Accuracy


class QualityField(Accuracy):
    """How often the answer to one of the operator's fields is right."""

    name: str
    type: str
    """`enum`, `number`, `boolean`, `text` or `list`."""


class OutsideCorrections(Answer):
    """Corrections of what was not drawn; they are in no other figure."""

    corrections: int
    disagreeing: int


class Quality(Answer):
    """How often the sentiment of insights is right, measured on what was drawn at random and checked."""

    target: float
    checked: int
    pending: int
    outside: OutsideCorrections
    accuracy: Accuracy
    threshold: QualityThreshold | None
    bins: list[QualityBin]
    makers: list[QualityMaker]
    topics: list[QualityTopic]
    fields: list[QualityField] = Field(default_factory=list)


class QualitySample(Answer):
    """Insights to check; `pending` is how many wait for it in all."""

    insights: list[ListedInsight]
    pending: int
