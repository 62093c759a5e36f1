"""The settings of webhooks."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings


class WebhookSettings(BaseSettings):
    """Part of the settings of the process."""

    webhook_allow_private: bool = False
    """Whether webhooks may be sent to private addresses, and over http to this machine."""
    chatwoot_secret: SecretStr | None = None
    zendesk_secret: SecretStr | None = None
    intercom_secret: SecretStr | None = None

    def helpdesk_secret(self, source: str) -> str | None:
        """What a help desk signs its webhooks with; None where nothing is taken from it."""
        secret: SecretStr | None = getattr(self, f"{source}_secret")
        return None if secret is None else secret.get_secret_value()
