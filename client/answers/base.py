"""What all answers have in common."""

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An answer, or a part of one. Fields that a later version of the service adds are passed over."""

    model_config = ConfigDict(frozen=True)
