"""The query parameters of `/api/v1/topics`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from api.parameters.common import DownloadParameters, Limit, Parameters, without_nul


class AllTopicsParameters(DownloadParameters):
    """Which topics."""

    state: Literal["active", "hidden", "merged"] | None = Field(
        None, description="Only topics in this state."
    )
    limit: Limit = 100
    cursor: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(without_nul)] | None = None


class HistoryParameters(Parameters):
    """Which changes of a topic."""

    limit: Limit = 100
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None

    @property
    def before(self) -> int | None:
        """The number that the changes are below."""
        return None if self.cursor is None else int(self.cursor)
