"""Log-in at GitHub, which speaks OAuth 2 and not OpenID Connect: who it is stands in its API."""

from dataclasses import dataclass

import httpx

from core.errors import LoginFailed, LoginUnavailable
from domain.admission import Identity, domain_of
from services.access.providers.contract import Challenge, Returned, identified
from services.access.providers.web import Form, ProviderWeb

SCOPE = "read:user user:email"
NAME = "github"


@dataclass
class GitHubProvider:
    """GitHub, or a GitHub Enterprise Server by its addresses."""

    client_id: str
    client_secret: str
    url: str
    api_url: str
    web: ProviderWeb
    label: str = "GitHub"

    async def address(self, state: str, challenge: Challenge) -> str:
        """Where to send the browser."""
        asked = {
            "client_id": self.client_id,
            "redirect_uri": challenge.redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge.digest,
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(f"{self.url}/login/oauth/authorize").copy_merge_params(asked))

    async def identity(self, returned: Returned, challenge: Challenge) -> Identity:
        """Who has logged in. Raises LoginFailed and LoginUnavailable."""
        # Its page names fields of the form for the secret, and says nothing of Basic.
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": returned.code,
            "redirect_uri": challenge.redirect_uri,
            "code_verifier": challenge.verifier,
        }
        answer = await self.web.exchanged(f"{self.url}/login/oauth/access_token", Form(form))
        token = str(answer.get("access_token", ""))
        person = await self.web.fetched(f"{self.api_url}/user", token)
        emails = await self.web.fetched(f"{self.api_url}/user/emails?per_page=100", token)
        # `login` may change and be taken by somebody else; the number stays.
        id_ = person.get("id") if isinstance(person, dict) else None
        if not isinstance(id_, int) or isinstance(id_, bool):
            raise LoginUnavailable("GitHub gives no id of the person")
        email = _verified(emails)
        return identified(NAME, str(id_), email, domain_of(email))


def _verified(emails: object) -> str:
    """The primary address if it is verified. Raises LoginFailed."""
    for each in emails if isinstance(emails, list) else ():
        if isinstance(each, dict) and each.get("primary") is True and each.get("verified") is True:
            return str(each.get("email"))
    raise LoginFailed("unverified e-mail")
