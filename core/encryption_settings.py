"""The settings of encryption at rest."""

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

from core.crypto import KeyRing, parsed_ring
from core.secret_files import refuse_unreadable


class EncryptionSettings(BaseSettings):
    """Part of the settings of the process."""

    data_encryption_key: SecretStr | None = None
    """One or several keys, separated by commas: the first encrypts, all of them decrypt."""

    @field_validator("data_encryption_key", mode="before")
    @classmethod
    def _key_is_readable(cls, value: object) -> object:
        return refuse_unreadable(value)

    @field_validator("data_encryption_key")
    @classmethod
    def _keys_are_a_ring(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parsed_ring(value.get_secret_value())
        return value

    @property
    def key_ring(self) -> KeyRing | None:
        """The keys; None if nothing is encrypted."""
        key = self.data_encryption_key
        return None if key is None else parsed_ring(key.get_secret_value())
