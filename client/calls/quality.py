"""Calls about the measured quality of analyses."""

from datetime import datetime

from ..answers import Quality, QualitySample
from ..wire import Call
from .building import getting, reader

Time = datetime | str
"""A `datetime`, or a text in ISO 8601; without an offset it is UTC."""
FOLDER = "/api/v1/quality"


def quality(
    *, target: float = 0.95, start_time: Time | None = None, end_time: Time | None = None
) -> Call[Quality]:
    """How often sentiments are right, by confidence, analyzer and topic, as measured on what people checked."""
    given = {"target": target, "start_time": start_time, "end_time": end_time}
    return getting(FOLDER, reader(Quality), given)


def quality_sample(
    *, limit: int = 20, start_time: Time | None = None, end_time: Time | None = None
) -> Call[QualitySample]:
    """Insights to check, 1 to 100, drawn at random; `correct` checks one, also with what the analyzer says."""
    given = {"limit": limit, "start_time": start_time, "end_time": end_time}
    return getting(f"{FOLDER}/sample", reader(QualitySample), given)
