"""Settings of the log-in: half of them, and those that could not take effect, are refused by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.complaints import complaint
from core.settings import Settings

SECRET = "a secret of the tests and of nobody else"
WHOLE: dict[str, Any] = {
    "auth_required": True,
    "auth_secret": SECRET,
    "public_url": "https://insights.example.com",
    "admin_emails": "ada@example.com",
    "github_client_id": "id",
    "github_client_secret": "swordfish",
}


def settings(**changed: Any) -> Settings:
    given = {**WHOLE, **changed}
    whole = {name: value for name, value in given.items() if value is not None}
    return Settings(**whole, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it


def refusal(**changed: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        settings(**changed)
    return complaint(refused.value)


def test_what_is_whole_is_taken() -> None:
    found = settings(allowed_domains=" Example.com , b.org,", oidc_issuer=None)

    assert found.providers == ("github",)
    assert (found.admin_emails, found.allowed_domains) == (("ada@example.com",), ("Example.com", "b.org"))


def test_without_any_of_it_nobody_logs_in() -> None:
    assert Settings(_env_file=None).providers == ()  # type: ignore[call-arg]  # pydantic-settings takes it


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"auth_required": None}, "PUBLIC_URL has no effect without AUTH_REQUIRED=true"),
        ({"github_client_secret": None}, "GITHUB_CLIENT_SECRET must be set beside GITHUB_CLIENT_ID"),
        ({"github_client_secret": "  "}, "GITHUB_CLIENT_SECRET must be set beside GITHUB_CLIENT_ID"),
        ({"github_client_id": None}, "GITHUB_CLIENT_ID must be set beside GITHUB_CLIENT_SECRET"),
        (
            {"oidc_issuer": "https://id.example.com/"},
            "OIDC_CLIENT_ID and OIDC_CLIENT_SECRET must be set beside OIDC_ISSUER",
        ),
        ({"google_client_id": "x"}, "GOOGLE_CLIENT_SECRET must be set beside GOOGLE_CLIENT_ID"),
        ({"public_url": None}, "PUBLIC_URL must be set: providers send people back there after a log-in"),
        (
            {"admin_emails": None},
            "ADMIN_EMAILS, ALLOWED_EMAILS or ALLOWED_DOMAINS must be set, or nobody may log in",
        ),
        (
            {"github_client_id": None, "github_client_secret": None},
            "PUBLIC_URL has no effect without a provider: set GOOGLE_CLIENT_ID, GITHUB_CLIENT_ID or OIDC_ISSUER",
        ),
        ({"root_path": "/insights"}, "PUBLIC_URL must end with ROOT_PATH, and with no other path"),
        (
            {"public_url": "https://example.com/x"},
            "PUBLIC_URL must end with ROOT_PATH, and with no other path",
        ),
    ],
)
def test_what_is_not_whole_is_refused(changed: dict[str, Any], words: str) -> None:
    assert refusal(**changed) == words


def test_addresses_of_github_are_for_github() -> None:
    given = {"github_client_id": None, "github_client_secret": None, "github_url": "https://git.example.com"}
    oidc = {"oidc_issuer": "https://id.example.com", "oidc_client_id": "x", "oidc_client_secret": "y"}

    assert refusal(**given, **oidc) == "GITHUB_URL and GITHUB_API_URL have no effect without GITHUB_CLIENT_ID"


@pytest.mark.parametrize(
    "url",
    [
        "http://insights.example.com",
        "http://192.0.2.1:8000",
        "http://localhost.example.com",
        "ftp://localhost",
        "insights.example.com",
        "https://",
        "https://user:pw@example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "https://example.com:port",
        "https://exam ple.com",
        "https://[::1",
    ],
)
def test_an_address_that_could_be_read_on_the_way_is_refused(url: str) -> None:
    for name in ("public_url", "oidc_issuer", "github_url"):
        assert refusal(**{name: url}).startswith(f"{name.upper()}: must be an https:// address;")


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:80", "http://a.localhost", "https://a.b"],
)
def test_this_machine_needs_no_tls(url: str) -> None:
    assert settings(public_url=url + "/").public_url == url


def test_an_issuer_is_kept_as_it_is_written() -> None:
    oidc = {"oidc_client_id": "x", "oidc_client_secret": "y"}

    for url in ("https://id.example.com", "https://id.example.com/", "https://id.example.com/realms/One/"):
        assert settings(**oidc, oidc_issuer=url).oidc_issuer == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("admin_emails", "ada"),
        ("admin_emails", "ada@example.com bob@example.com"),
        ("allowed_emails", "@example.com"),
        ("allowed_emails", "a@b@c"),
        ("allowed_domains", "@example.com"),
        ("allowed_domains", "*.example.com"),
        ("allowed_domains", "corporation"),
        ("allowed_domains", "https://example.com"),
    ],
)
def test_a_list_of_what_it_is_not_is_refused(name: str, value: str) -> None:
    words = refusal(**{name: value})

    assert words.startswith(f"{name.upper()}: must be ")
    assert value not in words


def test_a_client_secret_may_come_in_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("swordfish\n")
    monkeypatch.setenv("GITHUB_CLIENT_SECRET_FILE", str(file))
    found = settings(github_client_secret=None)

    assert found.github_client_secret
    assert found.github_client_secret.get_secret_value() == "swordfish"
    assert "swordfish" not in repr(found)
