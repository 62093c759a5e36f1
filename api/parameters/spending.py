"""The query parameters of the spending report."""

from typing import Annotated

from pydantic import Field

from api.parameters.common import Parameters


class SpendingParameters(Parameters):
    """How many UTC days, today included."""

    days: Annotated[int, Field(ge=1, le=365)] = 7
