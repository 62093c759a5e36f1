"""Every environment variable of the service: typed, validated, read once at startup."""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from core import origins
from core.discovery_settings import DiscoverySettings
from core.encryption_settings import EncryptionSettings
from core.extra_headers import parse_headers
from core.lane_settings import LaneSettings
from core.login_settings import LoginSettings
from core.role_settings import RoleSettings
from core.secret_files import SecretFiles, exposed_files, refuse_unreadable
from core.webhook_settings import WebhookSettings

# The first name that is set wins; `ignored_names` gives the others.
SYNONYMS = {
    "grok_api_key": ("GROK_API_KEY", "GROK_KEY", "XAI_API_KEY"),
    "max_batch": ("MAX_BATCH", "BATCH_SIZE"),
    "database_url": ("DATABASE_URL", "DB_PATH"),
}
# A proxy may or may not remove ROOT_PATH: such a prefix could not be told from a path of the service's own.
OWN_PATHS = ("/api/v1/conversations", "/chats", "/users", "/ws/chats", "/docs", "/health", "/metrics")
KEYS = (
    "grok_api_key",
    "gemini_api_key",
    "auth_secret",
    "google_client_secret",
    "github_client_secret",
    "oidc_client_secret",
    *("chatwoot_secret", "zendesk_secret", "intercom_secret", "chatwoot_token"),
)
"""Secrets that count as unset where they are blank."""
SECRETS = (*KEYS, "database_url", "database_listen_url", "read_database_url", "data_encryption_key")
"""Settings that may also come in a file: `NAME_FILE` for each of their names."""
ENV_FILE = ".env"
METADATA_KEY = r"^[A-Za-z0-9_-]{1,64}$"
"""A key of senders' metadata that insights can be filtered by."""


class GrokMode(StrEnum):
    """Which analyzer runs: Grok if there is a key (auto), Grok or nothing (real), the offline analyzer."""

    AUTO = "auto"
    REAL = "real"
    OFFLINE = "offline"


class Settings(
    LoginSettings, EncryptionSettings, DiscoverySettings, LaneSettings, RoleSettings, WebhookSettings
):
    """The configuration of the process; durations are in seconds. Raises ValidationError for a bad value."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    grok_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices(*SYNONYMS["grok_api_key"])
    )
    grok_mode: GrokMode = GrokMode.AUTO
    grok_model: str = Field(default="grok-4.3", min_length=1)
    grok_base_url: HttpUrl = HttpUrl("https://api.x.ai/v1")
    grok_reasoning_effort: Literal["none", "low", "medium", "high", "xhigh"] | None = None
    grok_extra_headers: SecretStr | None = None
    gemini_api_key: SecretStr | None = None
    gemini_model: str = Field(default="gemini-3.5-flash-lite", min_length=1)
    gemini_base_url: HttpUrl = HttpUrl("https://generativelanguage.googleapis.com/v1beta/openai")
    grok_cost_per_1k: float | None = Field(default=None, ge=0)
    daily_budget_usd: float | None = Field(default=None, ge=0)
    max_reasoning_tokens: int = Field(default=0, ge=0)

    # Open to whoever reaches it, so only this machine does; the image listens everywhere.
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535)
    root_path: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    inbound_rps: float = Field(default=100, ge=0)
    outbound_rps: float = Field(default=10, gt=0)
    rate_limit: int = Field(default=0, ge=0)
    rate_window: float = Field(default=60, gt=0)
    forwarded_allow_ips: str = ""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Normalized, see `core/origins.py`."""
    # 256 is the longest array whose length Grok's structured output enforces (docs.x.ai, structured outputs).
    max_batch: int = Field(default=50, ge=1, le=256, validation_alias=AliasChoices(*SYNONYMS["max_batch"]))
    min_batch: int = Field(default=1, ge=1)
    start_batch: int = Field(default=5, ge=1)
    # With instructions, topics and schema a call stays below 200,000 tokens, where Grok's price doubles.
    max_batch_tokens: int = Field(default=180_000, ge=1)
    batch_flush_seconds: float = Field(default=1.0, ge=0, le=60)

    max_retries: int = Field(default=3, ge=0, le=20)
    backoff_seconds: float = Field(default=0.5, gt=0, le=60)
    max_in_flight: int = Field(default=64, ge=1, le=1000)
    grok_timeout_seconds: float = Field(default=60, gt=0, le=3600)

    error_threshold: int = Field(default=5, ge=1)
    cooldown_seconds: float = Field(default=10, gt=0, le=3600)

    max_queue_depth: int = Field(default=1_000_000, ge=1)
    max_storage_gb: float = Field(default=9, gt=0)
    retention_days: float | None = Field(default=None, gt=0)
    prefilter: Literal["on", "off"] = "on"
    chat_quiet_seconds: float = Field(default=30, ge=0, le=600)
    topics_file: Path | None = None
    fields_file: Path | None = None
    redaction: Literal["off", "outgoing", "stored"] = "off"
    redaction_regions: Annotated[tuple[str, ...], NoDecode] = ("US", "GB")
    redaction_patterns: Path | None = None
    metadata_keys: Annotated[tuple[Annotated[str, Field(pattern=METADATA_KEY)], ...], NoDecode] = Field(
        default=(), max_length=5
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then secrets in files, the environment, `.env`."""
        names = {name: field for field in SECRETS for name in SYNONYMS.get(field, (field.upper(),))}
        files = SecretFiles(settings_cls, names, {**dotenv_values(ENV_FILE), **os.environ})
        return init_settings, files, env_settings, dotenv_settings

    @field_validator(*KEYS, mode="before")
    @classmethod
    def _blank_is_no_key(cls, value: object) -> object:
        refuse_unreadable(value)
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("metadata_keys", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        keys = [key.strip() for key in value.split(",")] if isinstance(value, str) else value
        return tuple(dict.fromkeys(keys)) if isinstance(keys, list) else keys

    @field_validator("redaction_regions", mode="before")
    @classmethod
    def _codes_in_upper_case(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(dict.fromkeys(code for each in value.split(",") if (code := each.strip().upper())))

    @field_validator("grok_extra_headers")
    @classmethod
    def _headers_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        parse_headers(value.get_secret_value() if value else "")
        return value

    @field_validator("grok_mode", mode="before")
    @classmethod
    def _mock_is_offline(cls, value: object) -> object:
        text = str(value).strip().lower()
        return "offline" if text == "mock" else text

    @field_validator("root_path", mode="before")
    @classmethod
    def _without_last_slash(cls, value: object) -> object:
        return str(value).strip().rstrip("/")

    @field_validator("root_path")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value and any(f"{path}/".startswith(f"{value}/") for path in OWN_PATHS):
            raise ValueError("must not be the beginning of a path of the service's own, such as /api")
        return value

    @model_validator(mode="after")
    def _call_backs_arrive(self) -> Self:
        if self.public_url is not None and urlsplit(self.public_url).path != self.root_path:
            raise ValueError("PUBLIC_URL must end with ROOT_PATH, and with no other path")
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return str(value).strip().upper()

    @field_validator("prefilter", "redaction", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return str(value).strip().lower()

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(origins.normalized(part) for each in value.split(",") if (part := each.strip()))

    @model_validator(mode="after")
    def _batch_sizes_are_ordered(self) -> Self:
        unset = {"min_batch", "start_batch"} - self.model_fields_set
        for name in unset:
            lowered = min(getattr(self, name), self.max_batch)
            object.__setattr__(self, name, lowered)
        if "start_batch" in unset:
            object.__setattr__(self, "start_batch", max(self.start_batch, self.min_batch))
        if not self.min_batch <= self.start_batch <= self.max_batch:
            raise ValueError("MIN_BATCH <= START_BATCH <= MAX_BATCH must hold")
        return self

    @model_validator(mode="after")
    def _real_needs_a_key(self) -> Self:
        if self.grok_mode is GrokMode.REAL and self.grok_api_key is None:
            raise ValueError("GROK_MODE=real needs GROK_API_KEY")
        return self

    @model_validator(mode="after")
    def _gemini_stands_in_for_grok(self) -> Self:
        if self.gemini_api_key and not self.grok_api_key and self.grok_mode is not GrokMode.OFFLINE:
            raise ValueError("GEMINI_API_KEY has no effect without GROK_API_KEY: Gemini stands in for Grok")
        return self

    @property
    def offline(self) -> bool:
        """Whether the offline analyzer replaces Grok."""
        return self.grok_mode is GrokMode.OFFLINE or self.grok_api_key is None


def ignored_names(environ: dict[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Pairs (ignored, winner) of variables that are set although a synonym wins."""
    present = os.environ if environ is None else environ
    for names in SYNONYMS.values():
        given = [name for name in names if present.get(name)]
        yield from ((name, given[0]) for name in given[1:])


def exposed_secrets(environ: Mapping[str, str] | None = None) -> list[str]:
    """The variables that name files with secrets which others than their owner may read."""
    names = [name for field in SECRETS for name in SYNONYMS.get(field, (field.upper(),))]
    present = os.environ if environ is None else environ
    return list(exposed_files(names, {**dotenv_values(ENV_FILE), **present}))


def field_of(name: str) -> str:
    """The field that a variable sets, or the field itself."""
    return next((field for field, names in SYNONYMS.items() if name.upper() in names), name.lower())


def name_as_set(field: str) -> str:
    """The name under which the variable was set."""
    names = SYNONYMS.get(field_of(field), (field.upper(),))
    return next((name for name in names if os.environ.get(name)), names[0])
