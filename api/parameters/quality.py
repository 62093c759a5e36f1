"""The query parameters of measured quality: a window that may be open at either end."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.parameters.common import Moment, Parameters
from core.clock import END, EPOCH, MICROSECOND
from store.insights.quality import Window

LAST = (END - EPOCH) // MICROSECOND


class OpenWindow(Parameters):
    """A window of which either end may be left out."""

    start_time: Moment | None = None
    end_time: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.window.start > self.window.end:
            raise PydanticCustomError("window", "start_time: must not be after end_time")
        return self

    @property
    def window(self) -> Window:
        """The window, in UTC microseconds."""
        return Window(self.start_time or 0, LAST if self.end_time is None else self.end_time)


class QualityParameters(OpenWindow):
    """Of the measured quality."""

    target: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.95, description="How often insights have to be right: from which confidence on they are."
    )


class SampleParameters(OpenWindow):
    """Of what is to be checked."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
