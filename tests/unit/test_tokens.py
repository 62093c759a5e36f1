"""Tokens: what is refused, and why, by the time, by the signature, and by whoever wrote it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from core.clock import SECOND
from core.errors import BadCredential, EndedCredential
from core.secret_ring import SecretRing
from domain.roles import Caller, Role
from services.access.tokens import NAME, PURPOSE, REMEMBERED, SECONDS, Tokens

ONE, OTHER = "a secret of the tests and of nobody else", "another secret of the tests as long as that"
NOW = 1_790_000_000
CALLER = Caller("key:ab12", "importer", Role.AGENT, owner="importer", means="key")


class Time:
    """A clock that stands until it is set."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def __call__(self) -> int:
        return int(self.seconds * SECOND)


class Holders:
    """Whom actors name; without an entry nobody."""

    def __init__(self, *callers: Caller) -> None:
        self.known = {caller.actor: caller for caller in callers}

    def __call__(self, actor: str) -> Caller:
        if actor not in self.known:
            raise BadCredential("unknown actor")
        return self.known[actor]


def tokens(*secrets: str, time: Time | None = None, holders: Holders | None = None) -> Tokens:
    numbers = iter(range(10**6))
    ring = SecretRing(secrets or [ONE])
    return Tokens(
        ring, holders or Holders(CALLER), time or Time(), lambda size: f"{next(numbers):0{size * 2}x}"
    )


def claims(**changed: Any) -> dict[str, Any]:
    usual = {
        "iss": NAME,
        "aud": NAME,
        "sub": CALLER.actor,
        "iat": NOW,
        "exp": NOW + SECONDS,
        "jti": "1",
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def signed(given: dict[str, Any], secret: str = ONE, alg: str = "HS256", kid: str | None = None) -> str:
    """A token as somebody who has a secret could write it."""
    key = SecretRing([secret]).keys(PURPOSE)[0]
    return jwt.encode({"alg": alg, "kid": kid or key.id}, given, OctKey.import_key(key.key), algorithms=[alg])


def unsigned(header: object, payload: object, signature: str = "") -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, payload)
    )
    return ".".join([*parts, signature])


async def reason(made: Tokens, text: str) -> str:
    with pytest.raises(BadCredential) as refused:
        await made.check(text)
    assert refused.value.reason
    return refused.value.reason


async def test_a_token_stands_for_whoever_got_it() -> None:
    made = tokens()
    holder = await made.check(made.create(CALLER.actor))

    assert (holder.actor, holder.owner, holder.role, holder.means) == (
        CALLER.actor,
        "importer",
        Role.AGENT,
        "token",
    )


async def test_a_role_that_changes_and_a_key_that_ends_are_heard_of_at_the_next_use() -> None:
    holders = Holders(CALLER)
    made = tokens(holders=holders)
    text = made.create(CALLER.actor)
    await made.check(text)

    holders.known[CALLER.actor] = Caller(CALLER.actor, "importer", Role.VIEWER)
    assert (await made.check(text)).role is Role.VIEWER
    holders.known.clear()
    assert await reason(made, text) == "unknown actor"


@pytest.mark.parametrize("seen_before", [False, True])
async def test_it_ends_after_a_quarter_of_an_hour(seen_before: bool) -> None:
    time = Time()
    made = tokens(time=time)
    text = made.create(CALLER.actor)
    if seen_before:
        await made.check(text)

    time.seconds = NOW + SECONDS - 1
    await made.check(text)
    time.seconds = NOW + SECONDS
    with pytest.raises(EndedCredential, match="expired token"):
        await (made if seen_before else tokens(time=time)).check(text)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://elsewhere.example"}, "token of another issuer"),
        ({"aud": "another service"}, "token for another audience"),
        ({"aud": 1}, "token for another audience"),
        ({"iat": NOW + 2}, "token from the future"),
        ({"nbf": NOW + 2}, "token with a bad nbf"),
        ({"exp": "tomorrow"}, "token with a bad exp"),
        ({"exp": True}, "token with a bad exp"),
        ({"sub": 7}, "token with a bad sub"),
        *(({name: None}, f"token without {name}") for name in ("iss", "aud", "iat", "exp", "sub")),
    ],
)
async def test_a_well_signed_token_with_bad_claims_is_refused(changed: dict[str, Any], why: str) -> None:
    assert await reason(tokens(), signed(claims(**changed))) == why


async def test_a_signature_of_another_key_is_refused() -> None:
    ours = SecretRing([ONE]).keys(PURPOSE)[0]
    same_id = signed(claims(), OTHER, kid=ours.id)

    assert await reason(tokens(), same_id) == "token with a bad signature"
    assert await reason(tokens(), signed(claims(), OTHER)) == "token of an unknown key"


async def test_the_same_secret_for_another_purpose_signs_nothing() -> None:
    other = SecretRing([ONE]).keys("something else")[0]
    kid = SecretRing([ONE]).keys(PURPOSE)[0].id
    text = jwt.encode(
        {"alg": "HS256", "kid": kid}, claims(), OctKey.import_key(other.key), algorithms=["HS256"]
    )

    assert await reason(tokens(), text) == "token with a bad signature"


@pytest.mark.parametrize("alg", ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA"])
async def test_only_one_algorithm_is_taken(alg: str) -> None:
    kid = SecretRing([ONE]).keys(PURPOSE)[0].id

    assert (
        await reason(tokens(), unsigned({"alg": alg, "kid": kid}, claims()))
        == "token of a forbidden algorithm"
    )


async def test_a_stronger_hash_under_the_right_key_is_not_taken_either() -> None:
    assert await reason(tokens(), signed(claims(), alg="HS512")) == "token of a forbidden algorithm"


async def test_a_token_of_an_asymmetric_key_is_not_taken() -> None:
    text = jwt.encode({"alg": "RS256"}, claims(), RSAKey.generate_key(2048))

    assert await reason(tokens(), text) == "token of a forbidden algorithm"


@given(
    st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*")
)
async def test_whatever_is_sent_is_refused_with_a_reason(text: str) -> None:
    assert await reason(tokens(), text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
async def test_whatever_header_and_payload_are_they_are_refused(given_json: object) -> None:
    assert await reason(tokens(), unsigned(given_json, given_json, "AA"))
    assert await reason(tokens(), unsigned({"alg": "HS256"}, given_json, "AA"))


async def test_what_is_nested_or_long_beyond_measure_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 12_000).decode()

    assert await reason(tokens(), f"{deep}.e30.AA") == "malformed token"
    assert await reason(tokens(), "e30." * 5_000) == "token is too long"


@given(st.data())
async def test_a_token_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    made = tokens()
    text = made.create(CALLER.actor)
    place = data.draw(st.integers(0, len(text) - 2))  # of the last character not every bit counts
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda each: each != text[place]))

    assert await reason(made, text[:place] + other + text[place + 1 :])


# --- rotation -----------------------------------------------------------------------------------------------


async def test_the_first_secret_signs_and_all_verify() -> None:
    before, both, after = tokens(ONE), tokens(OTHER, ONE), tokens(OTHER)
    old, new = before.create(CALLER.actor), both.create(CALLER.actor)

    assert [await each.check(old) for each in (before, both)]
    assert [await each.check(new) for each in (both, after)]
    assert await reason(after, old) == "token of an unknown key"
    # joserfc draws the key by lot where it is left the choice.
    assert all([await after.check(both.create(CALLER.actor)) for _ in range(20)])


async def test_what_is_remembered_is_bounded() -> None:
    time = Time()
    made = tokens(time=time)
    for _ in range(REMEMBERED + 5):
        await made.check(made.create(CALLER.actor))

    assert len(made._known) == REMEMBERED
