"""The process: reads the settings, creates the FastAPI application and serves it until it is stopped.

`python main.py` serves; `uvicorn main:app` works as well.
"""

import gc

if __name__ == "__main__":
    # Until the server has started: modules are never garbage, and scanning them took 0.15 of 1.2 s.
    gc.disable()

import logging
import signal
import sys

from fastapi import FastAPI
from pydantic import ValidationError

from api.app import create_app as create_app
from api.server import OneLine, Server, allow_open_files, server_config
from core import logs
from core.settings import Settings, complaint

MISUSE = 2


def __getattr__(name: str) -> FastAPI:
    """`app`, created on first access, so that importing this module needs no configuration."""
    if name != "app":
        raise AttributeError(name)
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    return create_app(settings)


def settings_or_exit() -> Settings:
    """The settings. A bad one ends the process with one line that names it, and exit code 2."""
    try:
        return Settings()
    except ValidationError as error:
        sys.stderr.write(f"cannot start: {complaint(error)}\n")
        raise SystemExit(MISUSE) from None


def main() -> int:
    """Serve until SIGTERM or SIGINT. Gives the exit code: 0, or 2 if it could not start."""
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    allow_open_files()
    server = Server(server_config(settings))
    logging.getLogger("uvicorn.error").addFilter(OneLine())
    for number in (signal.SIGINT, signal.SIGTERM):
        # After its shutdown the server restores the previous handlers and raises the signal again.
        signal.signal(number, _exit)
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
    return 0 if server.started else MISUSE


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
