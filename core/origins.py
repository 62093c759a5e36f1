"""Web origins: scheme, host and port of a page, as browsers send them in `Origin`."""

import re

ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
DEFAULT_PORTS = {"http": "80", "https": "443"}


def normalized(origin: str) -> str:
    """The origin in lower case, without the default port of its scheme. Raises ValueError if it is none."""
    found = ORIGIN.fullmatch(origin.lower())
    if found is None:
        raise ValueError("must be origins such as https://app.example.com, separated by commas")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" if port in (None, DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin came from this Host (name and port), over HTTP or HTTPS."""
    scheme = origin.partition(":")[0].lower()
    try:
        return scheme in DEFAULT_PORTS and normalized(origin) == normalized(f"{scheme}://{host}")
    except ValueError:
        return False
