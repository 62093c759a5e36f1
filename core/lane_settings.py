"""The settings of what can wait: batches at the provider, which answers within a day."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from core.discovery_settings import lower

HOUR = 3_600


class LaneSettings(BaseSettings):
    """Part of the settings of the process."""

    batch_lane: Annotated[Literal["auto", "off"], BeforeValidator(lower)] = "auto"
    """Whether what can wait goes by batches at the provider, where it takes them for the model."""
    batch_lane_hours: float = Field(default=24, gt=0, le=168)
    """When what can wait has to be answered, in hours from its intake, or has to go like everything else."""

    @property
    def batch_seconds(self) -> float:
        """How long what can wait may take from its intake."""
        return self.batch_lane_hours * HOUR

    @property
    def can_wait_seconds(self) -> float:
        """For how long a conversation that can wait waits for a batch; the rest is for going live."""
        return self.batch_seconds * 0.75
