"""The form of API keys: what is made can be read, and a slip of the pen is told without a look at the database."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.api_keys import LENGTH, ApiKey, new_key, parse_key
from domain.roles import Role

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


def made(digits: str) -> ApiKey:
    return new_key(lambda size: digits[: 2 * size])


@given(HEX)
def test_a_key_that_was_made_can_be_read(digits: str) -> None:
    key = made(digits)

    assert parse_key(key.text) == key
    assert len(key.text) == LENGTH
    assert key.digest == hashlib.sha256(key.text.encode()).digest()


@given(HEX, st.integers(0, LENGTH - 1), st.sampled_from(string.ascii_letters + string.digits + "_- é"))
def test_one_wrong_character_is_noticed(digits: str, at: int, wrong: str) -> None:
    text = made(digits).text
    other = text[:at] + wrong + text[at + 1 :]

    assert (parse_key(other) is None) == (other != text)


@pytest.mark.parametrize("form", ["{}\n", " {}", "Bearer {}", "{}0"])
def test_nothing_around_a_key_is_passed_over(form: str) -> None:
    assert parse_key(form.format(made("0a" * 32).text)) is None


@pytest.mark.parametrize(("role", "does"), [("viewer", 1), ("agent", 2), ("admin", 3)])
def test_a_role_includes_those_below_it(role: str, does: int) -> None:
    assert sum(Role(role).includes(each) for each in Role) == does
