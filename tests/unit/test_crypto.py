"""Keys, sealed values and HMACs."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.crypto import (
    DIGEST_MARK,
    MARK,
    Digests,
    KeyRing,
    is_keyed,
    parsed_ring,
)
from core.errors import DoesNotOpen

ONE, OTHER = bytes(range(32)), bytes(range(1, 33))
TEXT = st.text(st.characters(), max_size=200)


def written(*keys: bytes) -> str:
    return ",".join(b64encode(key).decode() for key in keys)


@given(TEXT, TEXT)
def test_what_is_sealed_opens_at_its_own_place_alone(text: str, place: str) -> None:
    ring = KeyRing([ONE])
    place = place.encode("utf-8", "replace").decode()

    sealed = ring.seal(text, place)

    assert sealed.startswith(MARK)
    assert sealed.isascii()
    assert ring.open(sealed, place) == text
    with pytest.raises(DoesNotOpen):
        ring.open(sealed, place + "1")


def test_no_two_sealed_values_are_alike() -> None:
    ring = KeyRing([ONE])

    assert len({ring.seal("the same", "here") for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_open() -> None:
    old, both, new = KeyRing([ONE]), KeyRing([OTHER, ONE]), KeyRing([OTHER])
    before, after = old.seal("said", "here"), both.seal("said", "here")

    assert [both.open(each, "here") for each in (before, after)] == ["said", "said"]
    assert new.open(after, "here") == "said"
    assert [both.is_newest(each) for each in (before, after)] == [False, True]
    with pytest.raises(DoesNotOpen):
        new.open(before, "here")


@pytest.mark.parametrize("value", ["", "plain", "v1|", "v1||", "v1|0|AAAA", "v2|x|AAAA"])
def test_what_is_not_sealed_does_not_open(value: str) -> None:
    with pytest.raises(DoesNotOpen):
        KeyRing([ONE]).open(value, "here")


@given(st.integers(min_value=0), st.sampled_from("!AB|"))
def test_a_changed_value_does_not_open(at: int, character: str) -> None:
    ring = KeyRing([ONE], lambda size: bytes(size))
    sealed = ring.seal("what was said!", "here")
    at %= len(sealed)
    changed = sealed[:at] + character + sealed[at + 1 :]
    if changed == sealed:
        return

    with pytest.raises(DoesNotOpen):
        ring.open(changed, "here")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "has no key"),
        (" , ", "has no key"),
        ("not base64!", "is not base64"),
        ("schlüssel", "is not base64"),
        (written(ONE[:31]), "32 bytes"),
        (written(ONE[:16]), "32 bytes"),
        (written(ONE, ONE + b"x"), "32 bytes"),
        (written(ONE, ONE), "twice"),
    ],
)
def test_a_bad_ring_is_refused_and_not_repeated(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parsed_ring(value)

    assert not value.strip(" ,") or value not in str(refused.value)


def test_a_ring_may_have_blanks_and_line_ends() -> None:
    assert parsed_ring(f" {written(ONE)} ,\n{written(OTHER)}\n").ids == KeyRing([ONE, OTHER]).ids


def test_digests_depend_on_the_key_the_purpose_and_the_value() -> None:
    one, other = Digests(ONE), Digests(OTHER)

    found = [
        each.of_text(purpose, value)
        for each in (one, other)
        for purpose in ("author", "metadata")
        for value in "ab"
    ]

    assert len({*found}) == len(found)
    assert all(each.startswith(DIGEST_MARK) for each in found)
    assert one.of_text("author", "a") == Digests(ONE).of_text("author", "a")
    assert one.term("word") != other.term("word")
    assert one.term("word").isalnum()


def test_a_hash_becomes_an_hmac_once() -> None:
    digests, known = Digests(ONE), bytes(32)

    keyed = digests.bytes(known)

    assert [is_keyed(each) for each in (known, keyed)] == [False, True]
    assert digests.bytes(keyed) == keyed
