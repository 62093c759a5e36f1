"""The process: reads the settings, creates the FastAPI application and serves it until it is stopped.

`python main.py` serves, `python main.py --version` says which version this is; `uvicorn main:app` works as well.
"""

import gc
import sys

if __name__ == "__main__":
    # Until the server has started: modules are never garbage, and scanning them took 0.15 of 1.2 s.
    gc.disable()
    # Not to be had here: structlog, httpx and Mako would load them to paint what a terminal shows, 0.1 s and 8 MB.
    sys.modules["rich"] = sys.modules["pygments"] = None  # type: ignore[assignment]

import logging
import signal
from argparse import ArgumentParser
from typing import NoReturn

from fastapi import FastAPI
from pydantic import ValidationError

from api.app import create_app as create_app
from api.server import OneLine, Server, allow_open_files, listen, server_config
from core import logs, several_workers
from core.allocator import return_memory
from core.complaints import complaint
from core.errors import CannotStart
from core.settings import Settings
from core.version import NAME, VERSION

MISUSE = 2


def __getattr__(name: str) -> FastAPI:
    """`app`, created on first access, so that importing this module needs no configuration."""
    if name != "app":
        raise AttributeError(name)
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    logging.getLogger("uvicorn.error").addFilter(OneLine())
    return create_app(settings)


def settings_or_exit() -> Settings:
    """The settings. A bad one ends the process with one line and exit code 2."""
    complaints: list[str] = []
    try:
        settings = Settings()
    except ValidationError as error:
        complaints.append(complaint(error))
    else:
        refusal = several_workers.refusal(sys.argv, settings)
        complaints += [refusal] if refusal else []
    if complaints:
        if not several_workers.is_further_child():
            sys.stderr.write(f"cannot start: {'; '.join(complaints)}\n")
        raise SystemExit(several_workers.exit_code(MISUSE))
    return settings


class Arguments(ArgumentParser):
    """The command line: settings come from the environment, and what is said only once is an argument."""

    def __init__(self) -> None:
        super().__init__(
            "main.py", description="Serves; docs/SETTINGS.md lists the settings.", allow_abbrev=False
        )
        self.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
        self.add_argument(
            "--while-plain",
            action="store_true",
            help="serve with DATA_ENCRYPTION_KEY although the database is still plain, and encrypt what is new",
        )

    def error(self, message: str) -> NoReturn:
        """One line that names the argument, and exit code 2."""
        self.exit(MISUSE, f"cannot start: {message}\n")


def main() -> int:
    """Serve until SIGTERM or SIGINT. Gives the exit code: 0, or 2 if it could not start."""
    arguments = Arguments().parse_args()
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    allow_open_files()
    return_memory()
    try:
        sockets = listen(settings.host, settings.port)
    except CannotStart as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return MISUSE
    config = server_config(settings, while_plain=arguments.while_plain)
    server = Server(config, auth_required=settings.auth_required)
    logging.getLogger("uvicorn.error").addFilter(OneLine())
    for number in (signal.SIGINT, signal.SIGTERM):
        # After its shutdown the server restores the previous handlers and raises the signal again.
        signal.signal(number, _exit)
    try:
        server.run(sockets)
    except SystemExit:
        if server.started:
            raise
    return 0 if server.started else MISUSE


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
