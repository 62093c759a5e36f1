"""The address of the database as an operator writes it: checked, and no part of it repeated in a complaint.

What libpq understands is mapped to what our driver understands, or refused by its name: an address from a managed
service must not fail with a traceback, and a parameter must not be ignored.
"""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
ESCAPE = "escape special characters of the user and the password: @ is %40, / %2F, : %3A, ? %3F, # %23, % %25"
FORM = "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"

SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
WRITABLE = frozenset({"any", "read-write", "primary", "prefer-standby"})
READABLE = WRITABLE | {"read-only", "standby"}
DRIVERS_OWN = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "passfile", "krbsrvname"),
        *("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)
"""Parameters of libpq that the driver understands by the same name."""
OURS = frozenset({"application_name", "connect_timeout", "options"})
"""Those that `store/engine/postgresql.py` applies."""
NEUTRAL = {"gssencmode": {"disable", "prefer"}, "channel_binding": {"disable", "prefer"}}
"""Those that the driver has not, with the values that ask for nothing."""
OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)\s*")
HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


def checked(address: str) -> str:
    """The address for SQLAlchemy, with an async driver. Raises ValueError, whose message repeats no part of it."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        raise ValueError("must be a database URL")
    if scheme not in DRIVERS:
        raise ValueError(FORM)
    url = _sqlite(address) if scheme.startswith("sqlite") else _postgresql(rest, WRITABLE)
    return url.set(drivername=DRIVERS[scheme]).render_as_string(hide_password=False)


def checked_replica(address: str) -> str:
    """The address of a PostgreSQL standby for SQLAlchemy. Raises ValueError as `checked` does."""
    scheme, separator, rest = address.partition("://")
    if not separator or not DRIVERS.get(scheme, "").startswith("postgresql"):
        raise ValueError("must be postgresql://USER:PASSWORD@HOST/NAME")
    url = _postgresql(rest, READABLE)
    return url.set(drivername=DRIVERS[scheme]).render_as_string(hide_password=False)


def _sqlite(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ValueError(FORM) from None
    if url.database in (None, "", ":memory:"):
        raise ValueError("must name a file: an SQLite database in memory would lose conversations")
    return url


def _postgresql(rest: str, targets: frozenset[str]) -> URL:
    before, _, query = rest.partition("?")
    authority, _, database = before.partition("/")
    login, _, places = authority.rpartition("@")
    # An unescaped character ends a part early, and the next part would be taken for a host, a port or a name.
    if re.search(r"[@/?#\[\]\s]", login) or login.count(":") > 1 or "@" in database + query or "#" in rest:
        raise ValueError(ESCAPE)
    if re.search(r"%(?![0-9A-Fa-f]{2})", login):
        raise ValueError(ESCAPE)
    user, _, password = login.partition(":")
    hosts = [_place(place) for place in places.split(",")]
    given = _parameters(query, targets)
    # A query is shown where a password is hidden.
    user, password = given.pop("user", unquote(user)), given.pop("password", unquote(password))
    database = given.pop("dbname", unquote(database))
    alone = len(hosts) == 1
    named = {} if alone else _listed(hosts)
    return URL.create(
        "postgresql",
        username=user or None,
        password=password or None,
        host=hosts[0][0] or None if alone else None,
        port=hosts[0][1] if alone else None,
        database=database or None,
        query={**named, **given},
    )


def _place(written: str) -> tuple[str, int | None]:
    """A host and its port."""
    found = HOST_PORT.fullmatch(written)
    port = None if found is None or found["port"] is None else int(found["port"])
    if found is None or (port is not None and not 0 < port < 65_536):
        raise ValueError(f"a host must be NAME or NAME:PORT; {ESCAPE}")
    return unquote(found["host"].strip("[]")), port


def _listed(hosts: list[tuple[str, int | None]]) -> dict[str, str]:
    """Several hosts, as libpq's own parameters: what SQLAlchemy and pg_dump both understand."""
    return {
        "host": ",".join(host for host, _ in hosts),
        "port": ",".join(str(port or 5432) for _, port in hosts),
    }


def _parameters(query: str, targets: frozenset[str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"what follows the ? must be NAME=VALUE&NAME=VALUE; {ESCAPE}") from None
    return dict(_mapped(name, value, targets) for name, value in pairs if not _is_neutral(name, value))


def _is_neutral(name: str, value: str) -> bool:
    return value in NEUTRAL.get(name, ())


def _mapped(name: str, value: str, targets: frozenset[str]) -> tuple[str, str]:
    """A parameter as the driver takes it. Raises ValueError, naming the parameter."""
    if name == "ssl":  # as JDBC and Node write it
        name, value = "sslmode", {"true": "require", "false": "disable"}.get(value, value)
    if name not in DRIVERS_OWN | OURS | {"sslmode", "target_session_attrs"}:
        shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "a parameter"
        raise ValueError(f"{shown}: is not supported in the URL; leave it out")
    if name == "sslmode" and value not in SSL_MODES:
        raise ValueError(f"sslmode: must be one of {', '.join(sorted(SSL_MODES))}")
    if name == "target_session_attrs" and value not in targets:
        raise ValueError(
            "target_session_attrs: must be any, primary or read-write, because the service writes"
        )
    if name == "connect_timeout" and not re.fullmatch("[0-9]{1,4}", value):
        raise ValueError("connect_timeout: must be a whole number of seconds")
    if name == "options":
        dict(session_settings({"options": value}))
    return name, value


def session_settings(query: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What a session sets once it is connected: `application_name`, and each `-c NAME=VALUE` of `options`.

    Raises ValueError if `options` holds anything else.
    """
    if "application_name" in query:
        yield "application_name", str(query["application_name"])
    options, at = str(query.get("options", "")).strip(), 0
    while at < len(options):
        if (found := OPTION.match(options, at)) is None:
            raise ValueError("options: only -c NAME=VALUE is supported; leave the rest out")
        yield found[1].replace("-", "_"), re.sub(r"\\(.)", r"\1", found[2])
        at = found.end()


def driver_address(url: URL) -> str:
    """The address of a PostgreSQL server as the driver takes it; what is `OURS` is left to whoever connects."""
    query = {name: value for name, value in url.query.items() if name not in OURS}
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


def place(url: URL) -> dict[str, str]:
    """Where the database is, for the log: the `path` of a file, or the `server` without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return {"path": os.path.abspath(url.database or "")}
    server = URL.create("postgresql", host=url.host, port=url.port, database=url.database)
    return {"server": server.render_as_string()}
