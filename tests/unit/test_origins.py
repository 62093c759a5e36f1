"""Origins of pages: which are the same, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.origins import is_same_origin, normalized

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True)
PORTS = st.integers(1, 65_535)
SCHEMES = st.sampled_from(["http", "https"])
NONE = (
    "",
    "null",
    "*",
    "app.example.com",
    "https://",
    "https://a/",
    "https://a b",
    "https://u@a",
    "https://a:b",
)


@given(scheme=SCHEMES, name=NAMES, port=PORTS)
def test_an_origin_is_that_of_its_host_and_of_no_other_port_or_name(
    scheme: str, name: str, port: int
) -> None:
    origin = f"{scheme.upper()}://{name}:{port}"

    assert is_same_origin(origin, f"{name}:{port}")
    assert is_same_origin(origin, f"{name.upper()}:{port}")
    assert not is_same_origin(origin, f"{name}:{port % 65_535 + 1}")
    assert not is_same_origin(origin, f"x{name}:{port}")
    assert not is_same_origin(f"{scheme}://{name}.evil.example:{port}", f"{name}:{port}")


@given(name=NAMES)
def test_the_default_port_of_a_scheme_may_be_written_or_left_out(name: str) -> None:
    assert normalized(f"https://{name}:443") == normalized(f"https://{name}")
    assert is_same_origin(f"https://{name}", f"{name}:443")
    assert is_same_origin(f"http://{name}:80", name)
    assert not is_same_origin(f"http://{name}", f"{name}:443")


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="origins such as"):
        normalized(text)


@pytest.mark.parametrize("origin", [*NONE, "file://", "app://a", "https://a\n", "https://evil.example#a"])
def test_what_is_no_origin_is_that_of_no_host(origin: str) -> None:
    assert not is_same_origin(origin, "a")


@pytest.mark.parametrize("host", ["", "a/b", "evil.example@a", "a:b", "a:80:80"])
def test_a_host_that_is_none_has_no_origin(host: str) -> None:
    assert not is_same_origin(f"http://{host}", host)
