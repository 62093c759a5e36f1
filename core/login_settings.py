"""The settings of the log-in at Google, GitHub and other providers."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from core.access_settings import AccessSettings

NEEDED: Mapping[str, tuple[str, ...]] = {
    "google": ("google_client_id", "google_client_secret"),
    "github": ("github_client_id", "github_client_secret"),
    "oidc": ("oidc_issuer", "oidc_client_id", "oidc_client_secret"),
}
"""What each provider needs; a provider is configured if any of it is set."""
ADDRESSES_OF_GITHUB = ("github_url", "github_api_url")
ADMITTED = ("admin_emails", "allowed_emails", "allowed_domains")


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(word for each in value.split(",") if (word := each.strip()))


def _emails(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        name, _, domain = each.partition("@")
        if not name or not domain or "@" in domain or not each.isprintable() or " " in each:
            raise ValueError("must be e-mail addresses, separated by commas")
    return value


def _domains(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("." not in each or set("@/: *") & set(each) or not each.isprintable() for each in value):
        raise ValueError("must be domains such as example.com, separated by commas")
    return value


def secure_url(value: str, *, query: bool = False) -> str:
    """The address itself. Raises ValueError if what is sent there could be read on the way, or it is not plain.

    `query` says whether it may have one.
    """
    words = "must be an https:// address; http:// is for this machine only, such as http://localhost:8000"
    try:
        parts = urlsplit(value)
        plain = bool(parts.hostname) and not (parts.fragment or parts.username)
        secure = parts.scheme == "https" or (parts.scheme == "http" and _is_local(parts.hostname or ""))
        _ = parts.port
    except ValueError:
        raise ValueError(words) from None
    plain = plain and (query or not parts.query)
    if not (plain and secure and value.isprintable() and " " not in value):
        raise ValueError(words)
    return value


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


Emails = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_emails)]
Domains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_domains)]
SecureUrl = Annotated[str, AfterValidator(lambda value: secure_url(value))]


class LoginSettings(AccessSettings):
    """Part of the settings of the process."""

    public_url: Annotated[SecureUrl, AfterValidator(lambda value: value.rstrip("/"))] | None = None
    """Where people reach the service, without a slash at the end: providers send them back there."""
    admin_emails: Emails = ()
    allowed_emails: Emails = ()
    allowed_domains: Domains = ()
    google_client_id: str | None = Field(default=None, min_length=1)
    google_client_secret: SecretStr | None = None
    github_client_id: str | None = Field(default=None, min_length=1)
    github_client_secret: SecretStr | None = None
    github_url: SecureUrl = "https://github.com"
    github_api_url: SecureUrl = "https://api.github.com"
    oidc_issuer: SecureUrl | None = None
    """As the provider writes it, with its slash if it has one."""
    oidc_client_id: str | None = Field(default=None, min_length=1)
    oidc_client_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _log_in_is_whole(self) -> Self:
        for complaint in self._complaints():
            raise ValueError(complaint)
        return self

    def _complaints(self) -> Iterator[str]:
        given = [name for name in LOGIN_FIELDS if self._is_given(name)]
        if given and not self.auth_required:
            yield f"{given[0].upper()} has no effect without AUTH_REQUIRED=true"
        for needed in NEEDED.values():
            present = [name.upper() for name in needed if self._is_given(name)]
            missing = [name.upper() for name in needed if not self._is_given(name)]
            if present and missing:
                yield f"{' and '.join(missing)} must be set beside {present[0]}"
        if self._is_given(*ADDRESSES_OF_GITHUB) and not self.github_client_id:
            yield "GITHUB_URL and GITHUB_API_URL have no effect without GITHUB_CLIENT_ID"
        if given and not self.providers:
            yield (
                f"{given[0].upper()} has no effect without a provider:"
                " set GOOGLE_CLIENT_ID, GITHUB_CLIENT_ID or OIDC_ISSUER"
            )
        if self.providers and self.public_url is None:
            yield "PUBLIC_URL must be set: providers send people back there after a log-in"
        if self.providers and not self._is_given(*ADMITTED):
            yield "ADMIN_EMAILS, ALLOWED_EMAILS or ALLOWED_DOMAINS must be set, or nobody may log in"

    def _is_given(self, *names: str) -> bool:
        return any(getattr(self, name) != type(self).model_fields[name].default for name in names)

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers that are configured."""
        return tuple(name for name, needed in NEEDED.items() if self._is_given(*needed))


LOGIN_FIELDS = (
    "public_url",
    *ADMITTED,
    *(each for names in NEEDED.values() for each in names),
    *ADDRESSES_OF_GITHUB,
)
