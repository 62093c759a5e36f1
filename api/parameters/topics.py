"""The query parameters of `/api/v1/topics`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from api.parameters.common import Limit, Parameters, without_nul


class AllTopicsParameters(Parameters):
    """Which topics."""

    state: Literal["active", "hidden", "merged"] | None = Field(
        None, description="Only topics in this state."
    )
    limit: Limit = 100
    cursor: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(without_nul)] | None = None
