"""Logging: one JSON object per line on standard output, for our events and those of libraries.

Our own events are logged from LOG_LEVEL up, libraries from WARNING up, whatever LOG_LEVEL says: below that, SQL
drivers log parameters and the WebSocket library logs frames, both of which contain messages, and the server and the
migrations put 21 lines before the one that matters. There is no access log; `http_request_duration_seconds` counts
requests.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import islice
from pathlib import PurePath
from traceback import walk_tb
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

OURS = "insights"
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
MAX_VALUE = 500
MAX_FRAMES = 8
MAX_CAUSES = 5
REDACTED = "[redacted]"

# Numbers pass under any name: `prompt_tokens=12` reveals nothing private.
PRIVATE_NAME = re.compile(
    r"text|content|messages?$|body|prompt|transcript|reasoning|summary|quote|raw|author"
    r"|key$|token|secret|password|cookie|credential",
    re.IGNORECASE,
)
SECRET = re.compile(
    r"\b(?:Bearer|Basic)\s+\S+|\b(?:xai|sk)-[\w-]+|\bAIza[\w-]+|(?<=://)[^\s/@]+(?=@)", re.IGNORECASE
)

Event = MutableMapping[str, Any]


def configure(level: str, stream: TextIO | None = None) -> None:
    """Log everything to `stream` (standard output) as JSON lines.

    `level` is DEBUG, INFO, WARNING or ERROR. May be called repeatedly, also after uvicorn has set up its own handlers.
    """
    number = logging.getLevelNamesMapping()[level]
    _set_levels(number)
    root = logging.getLogger()
    root.handlers = [_handler(stream or sys.stdout)]
    for name in UVICORN:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Without a handler uvicorn does not even format its access lines.
    logging.getLogger("uvicorn.access").propagate = False
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_common(), ProcessorFormatter.wrap_for_formatter],
        logger_factory=lambda *_: logging.getLogger(OURS),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _set_levels(level: int) -> None:
    logging.getLogger().setLevel(max(level, logging.WARNING))
    logging.getLogger(OURS).setLevel(level)
    for name in UVICORN:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    return handler


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        summarise_exception,
        redact,
    ]


def summarise_exception(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor that replaces an exception by its class, its causes and its stack frames.

    Its text is left out, because it may contain SQL parameters or client data. So may a library's own message
    about it, of which only the first line is kept.
    """
    event.pop("stack_info", None)
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        first_line = str(event["event"]).strip().partition("\n")[0]
        event["event"] = first_line.replace(str(error), "") if str(error) else first_line
        event.update(_summary(error))
    return event


def _exception(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exception()
        case _:
            return None


def _summary(error: BaseException) -> dict[str, object]:
    first, *causes = islice(_chain(error), MAX_CAUSES)
    frames = [
        f"{'/'.join(PurePath(frame.f_code.co_filename).parts[-2:])}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    summary: dict[str, object] = {"error": named(first), "where": frames[-MAX_FRAMES:]}
    return summary | ({"causes": [named(cause) for cause in causes]} if causes else {})


def root(error: BaseException) -> BaseException:
    """The first cause of an error."""
    *_, first = _chain(error)
    return first


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = _before(error)


def _before(error: BaseException) -> BaseException | None:
    """What an error came from. Of a group that is its first member: of tasks that fail together, the reason."""
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or error.__context__


def named(error: BaseException) -> str:
    """The class of an error and its code. Its text may contain SQL parameters or client data."""
    kind = type(error)
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name} ({code})" if code else name


def redact(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor that blanks values by name, for texts and keys, and keys under any name."""
    return {name: _safe(name, value) for name, value in event.items()}


def _safe(name: str, value: object) -> object:
    # Names with a leading underscore are structlog's own: `_record`, `_from_structlog`.
    if value is None or isinstance(value, bool | int | float) or name.startswith("_"):
        return value
    if PRIVATE_NAME.search(name):
        return REDACTED
    if isinstance(value, Mapping):
        return {str(key): _safe(str(key), inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_safe(name, inner) for inner in value]
    return SECRET.sub(REDACTED, str(value))[:MAX_VALUE]
