"""The providers that the settings name."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from core.clock import Clock
from core.login_settings import LoginSettings
from services.access.providers.contract import IdentityProvider
from services.access.providers.github import GitHubProvider
from services.access.providers.web import ProviderWeb

if TYPE_CHECKING:
    from services.access.providers.oidc import OidcProvider

GOOGLE = "https://accounts.google.com"


def configured(
    settings: LoginSettings, http: httpx.AsyncClient, clock: Clock
) -> Mapping[str, IdentityProvider]:
    """The providers by name, as it stands in the addresses of the log-in."""
    return dict(_all(settings, ProviderWeb(http), clock))


def _all(s: LoginSettings, web: ProviderWeb, clock: Clock) -> Iterator[tuple[str, IdentityProvider]]:
    if s.google_client_id:
        yield "google", google(s.google_client_id, _text(s.google_client_secret), web, clock)
    if s.github_client_id:
        secret, addresses = (
            _text(s.github_client_secret),
            (s.github_url.rstrip("/"), s.github_api_url.rstrip("/")),
        )
        yield "github", GitHubProvider(s.github_client_id, secret, *addresses, web)
    if s.oidc_issuer and s.oidc_client_id:
        secret = _text(s.oidc_client_secret)
        name = account_provider(s.oidc_issuer)
        label = httpx.URL(s.oidc_issuer).host
        # Imported only where it is used: what reads signed tokens takes 9 MB.
        from services.access.providers.oidc import OidcProvider

        yield "oidc", OidcProvider(label, name, s.oidc_issuer, s.oidc_client_id, secret, web, clock)


def google(id_: str, secret: str, web: ProviderWeb, clock: Clock, issuer: str = GOOGLE) -> "OidcProvider":
    """Google, which signs with or without `https://` before its name."""
    from services.access.providers.oidc import OidcProvider, vouched_by_google

    bare = (issuer.partition("://")[2],)
    return OidcProvider("Google", "google", issuer, id_, secret, web, clock, vouched_by_google, bare)


def account_provider(issuer: str) -> str:
    """What accounts of an issuer are stored under: another issuer's people must never be taken for them."""
    return f"oidc:{hashlib.sha256(issuer.encode()).hexdigest()[:12]}"


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
