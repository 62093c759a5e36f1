"""The fields that a service's operator asks for, and the versions of them that insights have."""

from pydantic import AwareDatetime, Field

from .base import Answer


class OwnField(Answer):
    """What a field is; what its type does not have is None."""

    name: str
    type: str
    """`enum`, `number`, `boolean`, `text` or `list`."""
    meaning: str
    of: str
    """Whom it is about: `customer`, `agent` or `conversation`."""
    required: bool
    values: dict[str, str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    max_length: int | None = None
    max_items: int | None = None


class PresentField(OwnField):
    """A field that is asked for now."""

    asker: str = Field(alias="for")
    """`conversations`, `summaries` or `both`."""
    answered_offline: bool


class OwnFieldsVersion(Answer):
    """A version of the fields, and how many insights have it."""

    version: str
    current: bool
    first_seen: AwareDatetime
    insights: int
    fields: list[OwnField]


class OwnFields(Answer):
    """What is asked for now, and the versions that there were, the newest first."""

    fields: list[PresentField]
    version: str | None
    summary_version: str | None
    insights: int
    insights_without: int
    versions: list[OwnFieldsVersion]
