"""Who may come in: the lists, whatever the case, and nobody by a letter that only looks the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LoginFailed
from domain.admission import Admission, Identity, domain_of, folded
from domain.roles import Role
from services.access.providers.configured import account_provider
from services.access.providers.contract import Challenge, identified
from services.access.providers.oidc import vouched, vouched_by_google

LISTS = Admission(["Ada@Example.com"], ["bob@example.org"], ["Corp.example"])


def role(email: str, domain: str = "") -> Role | None:
    return LISTS.role_of(Identity("google", "1", email, domain))


def test_each_list_gives_its_role() -> None:
    assert role("ada@example.COM") is Role.ADMIN
    assert role("ada@example.com", "corp.example") is Role.ADMIN
    assert role("BOB@example.org") is Role.VIEWER
    assert role("who@else.example", "CORP.example") is Role.VIEWER
    assert role("who@corp.example", "") is None
    assert role("who@else.example", "sub.corp.example") is None


@given(st.text(), st.text())
def test_nobody_else_comes_in(email: str, domain: str) -> None:
    known = {"ada@example.com", "bob@example.org"}
    if email.lower() not in known and domain.lower() != "corp.example":
        assert role(email, domain) is None


def test_a_letter_that_only_looks_the_same_is_another() -> None:
    """The Kelvin sign, whose lower case is k, and a dotless i."""
    lists = Admission(["kim@example.com"], [], [])

    assert lists.role_of(Identity("x", "1", "\u212aim@example.com", "")) is None
    assert lists.role_of(Identity("x", "1", "k\u0131m@example.com", "")) is None
    assert lists.role_of(Identity("x", "1", "KIM@example.com", "")) is Role.ADMIN


@given(st.text())
def test_folding_changes_only_a_to_z(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert len(folded(text)) == len(text)
    assert all(
        old == new or old in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for old, new in zip(text, folded(text), strict=True)
    )


def test_nobody_is_of_no_domain() -> None:
    assert Admission([], [], []).role_of(Identity("x", "1", "", "")) is None
    assert domain_of("a@b@c.example") == "c.example"


# --- what a provider says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "domain"),
    [
        ({"email": "ada@gmail.com", "email_verified": True}, ""),
        ({"email": "ADA@Gmail.com", "email_verified": True}, ""),
        ({"email": "ada@corp.example", "email_verified": True, "hd": "corp.example"}, "corp.example"),
        ({"email": "ada@corp.example", "email_verified": True}, None),
        ({"email": "ada@notgmail.com", "email_verified": True}, None),
        ({"email": "ada@gmail.com", "email_verified": False}, None),
        ({"email": "ada@corp.example", "email_verified": False, "hd": "corp.example"}, None),
        ({}, None),
    ],
)
def test_google_vouches_for_its_own_addresses_and_those_of_a_workspace(
    claims: dict[str, object], domain: str | None
) -> None:
    assert vouched_by_google(claims) == domain


@pytest.mark.parametrize("value", [False, "false", "True", 1, None, [], "yes", [True]])
def test_verified_is_true_or_the_text_true(value: object) -> None:
    assert vouched({"email": "a@b.example", "email_verified": value}) is None
    for good in (True, "true"):
        assert vouched({"email": "a@b.example", "email_verified": good}) == "b.example"


@pytest.mark.parametrize(
    ("subject", "email"),
    [
        ("", "a@b.example"),
        ("x" * 256, "a@b.example"),
        ("a\0b", "a@b.example"),
        ("\ud800", "a@b.example"),
        (1, "a@b.example"),
        ("1", None),
        ("1", "no address"),
        ("1", "a\0@b.example"),
        ("1", "a@" + "b" * 320),
    ],
)
def test_what_a_database_could_not_keep_is_no_identity(subject: object, email: object) -> None:
    with pytest.raises(LoginFailed):
        identified("oidc", subject, email, "")


def test_people_of_another_issuer_are_others() -> None:
    names = {
        account_provider(issuer)
        for issuer in ("https://a.example", "https://a.example/", "https://b.example")
    }

    assert len(names) == 3
    assert all(len(name) <= 20 for name in names)


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert Challenge("", verifier, "").digest == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
