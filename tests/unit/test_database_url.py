"""The address of the database: what libpq knows is mapped or refused by name, and nothing of it is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from core.database_url import ESCAPE, checked, session_settings

HOME = "postgresql+asyncpg://me:pw@db/x"


def complaint_about(address: str) -> str:
    """What a start would say of the address; nothing if it is fine."""
    try:
        checked(address)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgres://me:pw@db/x", HOME),
        ("postgresql://me:pw@db:5433/x", "postgresql+asyncpg://me:pw@db:5433/x"),
        ("postgresql://me:pw@db/x?sslmode=require", f"{HOME}?sslmode=require"),
        ("postgresql://me:pw@db/x?ssl=true", f"{HOME}?sslmode=require"),
        ("postgresql://me:pw@db/x?sslmode=require&channel_binding=prefer", f"{HOME}?sslmode=require"),
        ("postgresql://me:pw@db/x?connect_timeout=10", f"{HOME}?connect_timeout=10"),
        (
            "postgresql://me:pw@db/x?target_session_attrs=read-write",
            f"{HOME}?target_session_attrs=read-write",
        ),
        ("postgresql://me@db/x?user=you&password=p%40ss&dbname=y", "postgresql+asyncpg://you:p%40ss@db/y"),
        ("postgresql://me:p%40s%2Fs@db/x", "postgresql+asyncpg://me:p%40s%2Fs@db/x"),
        ("postgresql://me@[::1]:5432/x", "postgresql+asyncpg://me@[::1]:5432/x"),
        ("postgresql:///x?host=/run/postgresql", "postgresql+asyncpg:///x?host=/run/postgresql"),
    ],
)
def test_what_managed_services_give_out_is_understood(written: str, read: str) -> None:
    assert make_url(checked(written)) == make_url(read)


def test_several_hosts_keep_their_ports() -> None:
    url = make_url(checked("postgresql://me:pw@one,two:5433/x"))

    assert (url.host, url.query) == (None, {"host": "one,two", "port": "5432,5433"})


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        ("sslmode=yes", "sslmode: must be one of"),
        ("target_session_attrs=standby", "target_session_attrs: must be any"),
        ("connect_timeout=soon", "connect_timeout: must be a whole number"),
        ("pgbouncer=true", "pgbouncer: is not supported in the URL; leave it out"),
        ("keepalives_idle=3", "keepalives_idle: is not supported"),
        ("channel_binding=require", "channel_binding: is not supported"),
        ("prepared_statement_cache_size=0", "prepared_statement_cache_size: is not supported"),
        ("options=endpoint%3Dx", "options: only -c NAME=VALUE"),
        ("sslmode", "what follows the ? must be"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_name(parameter: str, complaint: str) -> None:
    said = complaint_about(f"postgresql://me:swordfish@db/x?{parameter}")

    assert said.startswith(complaint)
    assert "\n" not in said


@pytest.mark.parametrize(
    "password",
    ["sword@fish", "sword/fish", "sword:fish", "sword?fish", "sword#fish", "sword%fish", "s[w]fish"],
)
def test_an_unescaped_password_is_told_so_and_no_part_of_it_shown(password: str) -> None:
    said = complaint_about(f"postgresql://me:{password}@db/x")

    assert ESCAPE in said
    assert "fish" not in said


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=4, max_size=20))
def test_whatever_the_password_is_it_is_read_right_or_not_shown(password: str) -> None:
    marked = f"qq{password}qq"
    address = f"postgresql://me:{marked}@db/x"
    said = complaint_about(address)

    assert "qq" not in said
    if not said:
        url = make_url(checked(address))
        assert (url.host, url.database) == ("db", "x")


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("-c statement_timeout=5s", {"statement_timeout": "5s"}),
        ("-cgeqo=off --work-mem=8MB", {"geqo": "off", "work_mem": "8MB"}),
        (r"-c search_path=a\ b -c jit=on", {"search_path": "a b", "jit": "on"}),
        ("", {}),
    ],
)
def test_options_become_settings_of_the_session(options: str, settings: dict[str, str]) -> None:
    assert dict(session_settings({"options": options})) == settings
