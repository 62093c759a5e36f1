"""The settings of the dashboard, a program of its own beside the service."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, HttpUrl, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from client import Client, UnusableKey

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]+$")]


class Settings(BaseSettings):
    """What the environment or `.env` says. Raises ValidationError for a value that cannot take effect."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    api_url: HttpUrl = HttpUrl("http://localhost:8000")
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    login_url: str | None = Field(default=None, pattern=r"^(https?://[^\s/]+)?/[^/\s]\S*$")
    """Where people log in at the service; by default `/auth/login` below API_URL."""
    dashboard_host: Host = "127.0.0.1"
    dashboard_port: int = Field(default=8501, ge=1, le=65535)
    dashboard_allowed_hosts: str = ""
    """Host names, with commas between them, under which browsers may open it."""

    @model_validator(mode="after")
    def _can_take_effect(self) -> Self:
        if self.api_url.query or self.api_url.fragment or self.api_url.username:
            raise ValueError("API_URL: must be an address without user, query and fragment")
        if self.api_key and self.api_key_file:
            raise ValueError("API_KEY: is set, and API_KEY_FILE too; keep one of them")
        try:
            Client(self.url, key=self.key).close()
        except UnusableKey as error:
            raise ValueError(f"API_KEY: {error}") from None
        except (OSError, UnicodeDecodeError):
            raise ValueError("API_KEY_FILE: cannot be read") from None
        return self

    @property
    def url(self) -> str:
        """The service's address, without a slash at its end."""
        return str(self.api_url).rstrip("/")

    @property
    def key(self) -> str | None:
        """The API key, if one is set. Raises OSError where its file cannot be read."""
        if self.api_key_file is not None:
            return self.api_key_file.read_text().strip() or None
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def login(self) -> str:
        """Where people log in."""
        return self.login_url or f"{self.url}/auth/login"

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names that are answered; none means any, which only a proxy in front makes safe."""
        named = tuple(each.strip() for each in self.dashboard_allowed_hosts.split(",") if each.strip())
        own = ("localhost", "127.0.0.1", "[::1]") if self.is_local else ()
        return (*own, *named)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the dashboard."""
        return self.dashboard_host in ("localhost", "::1") or self.dashboard_host.startswith("127.")


def complaint(error: ValidationError) -> str:
    """What is wrong with the settings, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}".removeprefix(": ").removeprefix(
            "Value error, "
        )
        for each in error.errors()
    )
