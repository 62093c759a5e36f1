"""The settings as texts, to be compared with those of another start."""

from pydantic import SecretStr

from core.settings import Settings, name_as_set


def values_by_name(settings: Settings) -> dict[str, str]:
    """Every setting as one text, by variable; secrets too, so the texts must not be shown or stored."""
    return {name_as_set(field): _as_text(getattr(settings, field)) for field in Settings.model_fields}


def _as_text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
