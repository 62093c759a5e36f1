"""Secrets that rotate: each purpose has keys of its own, and the first secret's comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.secret_ring import MIN_LENGTH, SecretRing

SECRETS = st.lists(st.text(min_size=MIN_LENGTH, max_size=80), min_size=1, max_size=4, unique=True)


@given(SECRETS, st.text(max_size=10), st.text(max_size=10))
def test_purposes_share_nothing(secrets: list[str], one: str, other: str) -> None:
    ring = SecretRing(secrets)
    shared = {key.key for key in ring.keys(one)} & {key.key for key in ring.keys(other)}

    assert bool(shared) == (one == other)


@given(SECRETS)
def test_a_secret_keeps_its_keys_wherever_it_stands(secrets: list[str]) -> None:
    """So that a new one can be put in front, and the old one taken away later."""
    together = SecretRing(secrets).keys("tokens")

    assert together == [key for secret in secrets for key in SecretRing([secret]).keys("tokens")]
    assert len({key.id for key in together}) == len(secrets)


def test_a_short_secret_is_refused_beside_a_long_one() -> None:
    with pytest.raises(ValueError, match="at least 32 characters"):
        SecretRing(["x" * MIN_LENGTH, "x" * (MIN_LENGTH - 1)])


def test_no_secret_gives_no_key() -> None:
    assert not SecretRing([])
    assert SecretRing([]).keys("tokens") == []
