"""The settings as texts, to be compared with those of another start."""

from pydantic import SecretStr

from core.settings import Settings, name_as_set

OF_A_PROCESS = frozenset({"role", "host", "port", "web_concurrency"})
"""Settings in which processes on one database differ."""


def values_by_name(settings: Settings) -> dict[str, str]:
    """Every setting as one text, by variable; secrets too, so the texts must not be shown or stored.

    Those of a process are left out where it may be one of several.
    """
    is_one_of_several = settings.url.get_backend_name() != "sqlite"
    shared = (field for field in Settings.model_fields if not (is_one_of_several and field in OF_A_PROCESS))
    return {name_as_set(field): _as_text(getattr(settings, field)) for field in shared}


def _as_text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
