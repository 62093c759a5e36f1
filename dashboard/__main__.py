"""`python -m dashboard`: check the settings, then run Streamlit."""

import errno
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import NoReturn

from pydantic import ValidationError
from streamlit.web.cli import main as streamlit

from client import Client, ClientError, Unreachable, calls
from dashboard.settings import Settings, complaint

ENTRY = Path(__file__).parents[1] / "dashboard.py"
DEMO = ENTRY.with_name("demo.db")
"""What the last demo stored."""
MISUSE = 2


def main() -> NoReturn:
    """Start the dashboard. Settings that cannot take effect end the process with one line and exit code 2."""
    try:
        settings = Settings()
    except ValidationError as error:
        refuse(complaint(error))
    if why := cannot_listen(settings.dashboard_host, settings.dashboard_port):
        refuse(why)
    is_named = "api_url" in settings.model_fields_set
    with service(settings.url, DEMO, is_named=is_named) as url:
        os.environ["API_URL"] = url
        Thread(target=warm, daemon=True).start()
        os.chdir(ENTRY.parent)
        streamlit(["run", str(ENTRY), *options(settings)], prog_name="dashboard")
    raise SystemExit


@contextmanager
def service(url: str, database: Path, *, is_named: bool) -> Iterator[str]:
    """The address of the service. Where none is named and none runs, one is started on what the last demo stored."""
    if is_named or not database.exists() or answers(url):
        yield url
        return
    # Imported here, because the dashboard's image has no demo.
    with import_module("demo").service(database) as own:
        sys.stderr.write(
            f"No service runs at {url}, so this shows the data of the demo. Its service is at {own}.\n"
        )
        yield own


def answers(url: str) -> bool:
    """Whether anything answers there."""
    with Client(url, patience=0) as client:
        try:
            client.send_once(calls.alive())
        except Unreachable:
            return False
        except ClientError:
            return True
    return True


def warm() -> None:
    """Import what the first page needs, which takes a second or two, before anybody waits for it."""
    for name in ("pandas", "pyarrow", "altair", "dashboard.frame", "dashboard.views.changed"):
        import_module(name)


def options(settings: Settings) -> Sequence[str]:
    """What depends on the settings; the rest is in .streamlit/config.toml."""
    given = [f"--server.address={settings.dashboard_host}", f"--server.port={settings.dashboard_port}"]
    return given + [f"--server.allowedHosts={host}" for host in settings.allowed_hosts]


def cannot_listen(host: str, port: int) -> str | None:
    """Why nothing can listen there, or None. Streamlit would say that a port is not available, and exit with 1."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
    except socket.gaierror:
        return f"DASHBOARD_HOST: {host} is not a name or an address of this machine"
    except PermissionError:
        return f"DASHBOARD_PORT: {port} needs more rights than this user has"
    except OSError as error:
        return (
            f"DASHBOARD_PORT: {port} is in use"
            if error.errno == errno.EADDRINUSE
            else f"DASHBOARD_HOST: {error.strerror}"
        )
    return None


def refuse(why: str) -> NoReturn:
    """End the process: a setting cannot take effect."""
    sys.stderr.write(f"cannot start: {why}\n")
    raise SystemExit(MISUSE)


if __name__ == "__main__":
    main()
