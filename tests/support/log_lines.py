"""What the process logs while a test runs, as the JSON lines that an operator would see."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from core import logs


class Lines:
    """Lines written so far."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def __str__(self) -> str:
        return self.stream.getvalue()

    def events(self) -> list[dict[str, Any]]:
        """Every line, parsed."""
        return [json.loads(line) for line in str(self).splitlines()]


@contextmanager
def captured(level: str) -> Iterator[Lines]:
    """Configure logging at `level` while the block runs; put everything back afterwards."""
    loggers = [logging.getLogger(name) for name in (None, logs.OURS, *logs.UVICORN)]
    before = [(each, each.level, each.handlers[:], each.propagate) for each in loggers]
    lines, configured = Lines(), structlog.get_config()
    logs.configure(level, lines.stream)
    try:
        yield lines
    finally:
        structlog.configure(**configured)
        for logger, number, handlers, propagate in before:
            logger.setLevel(number)
            logger.handlers[:] = handlers
            logger.propagate = propagate
