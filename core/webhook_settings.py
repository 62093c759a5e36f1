"""The settings of webhooks."""

import re
from typing import Self

from pydantic import HttpUrl, SecretStr, model_validator
from pydantic_settings import BaseSettings

ACCOUNT = re.compile(r"(https?://[^?#]+?)/(?:app|api/v1)/accounts/([0-9]{1,18})/?")
"""The address of an account, as the browser shows it or as the API has it."""


class WebhookSettings(BaseSettings):
    """Part of the settings of the process."""

    webhook_allow_private: bool = False
    """Whether webhooks may be sent to private addresses, and over http to this machine."""
    chatwoot_secret: SecretStr | None = None
    zendesk_secret: SecretStr | None = None
    intercom_secret: SecretStr | None = None

    chatwoot_url: HttpUrl | None = None
    """The account to whose conversations insights are written back."""
    chatwoot_token: SecretStr | None = None

    @model_validator(mode="after")
    def _chatwoot_needs_both(self) -> Self:
        if (self.chatwoot_url is None) != (self.chatwoot_token is None):
            raise ValueError("CHATWOOT_URL and CHATWOOT_TOKEN go together")
        if self.chatwoot_url is not None and ACCOUNT.fullmatch(str(self.chatwoot_url)) is None:
            raise ValueError("CHATWOOT_URL must end with an account, such as /app/accounts/1")
        return self

    @property
    def chatwoot_account(self) -> tuple[str, str] | None:
        """The address of the account in Chatwoot's API, and the token; None where nothing is written back."""
        found = ACCOUNT.fullmatch(str(self.chatwoot_url or ""))
        if found is None or self.chatwoot_token is None:
            return None
        return f"{found[1]}/api/v1/accounts/{found[2]}", self.chatwoot_token.get_secret_value()

    def helpdesk_secret(self, source: str) -> str | None:
        """What a help desk signs its webhooks with; None where nothing is taken from it."""
        secret: SecretStr | None = getattr(self, f"{source}_secret")
        return None if secret is None else secret.get_secret_value()
