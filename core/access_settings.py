"""The settings that say who may come in."""

from typing import Self

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from core.secret_ring import SecretRing


class AccessSettings(BaseSettings):
    """Part of the settings of the process."""

    auth_required: bool = False
    auth_secret: SecretStr | None = None
    """One or several, separated by commas: the first signs, all of them verify."""

    @field_validator("auth_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        SecretRing(_split(value))
        return value

    @model_validator(mode="after")
    def _closed_needs_a_secret(self) -> Self:
        if self.auth_required and not self.auth_secret:
            raise ValueError(
                "AUTH_REQUIRED=true needs AUTH_SECRET, at least 32 characters that nobody can guess"
            )
        return self

    @property
    def secrets(self) -> SecretRing:
        """The secrets of AUTH_SECRET; none where it is not set."""
        return SecretRing(_split(self.auth_secret))


def _split(value: SecretStr | None) -> list[str]:
    given = "" if value is None else value.get_secret_value()
    return [part for each in given.split(",") if (part := each.strip())]
