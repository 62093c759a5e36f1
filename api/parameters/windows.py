"""Windows that a list may be without: it is then of all time."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import DownloadParameters, Moment
from store.insights.narrowing import LATEST


class OpenWindowParameters(DownloadParameters):
    """Of a list of a window whose start, end or both may be left out."""

    start_time: Moment | None = Field(None, description="Without it, from the beginning.")
    end_time: Moment | None = Field(None, description="Excluded; without it, to the end.")

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        if self.start_time is not None and self.end_time is not None and self.start_time > self.end_time:
            raise PydanticCustomError("window", "start_time: must not be after end_time")
        return self

    @property
    def start(self) -> int:
        """UTC microseconds, included."""
        return self.start_time or 0

    @property
    def end(self) -> int:
        """UTC microseconds, excluded."""
        return LATEST if self.end_time is None else self.end_time


def refuse_other(differing: list[str]) -> None:
    """Raises for parameters beside a cursor that differ from those that it carries."""
    if differing:
        raise PydanticCustomError(
            "cursor",
            "cursor: belongs to another {names}; leave that out, or begin without the cursor",
            {"names": ", ".join(differing)},
        )
