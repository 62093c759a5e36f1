"""The settings of webhooks."""

from pydantic_settings import BaseSettings


class WebhookSettings(BaseSettings):
    """Part of the settings of the process."""

    webhook_allow_private: bool = False
    """Whether webhooks may be sent to private addresses, and over http to this machine."""
