"""Secrets in files, as containers get them: `NAME_FILE` names a file that holds what `NAME` would."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"
OTHERS = 0o077
"""The permissions of a file that its owner does not need."""


@dataclass(frozen=True)
class UnreadableSecret:
    """In place of a secret: why it cannot be had."""

    reason: str


class SecretFiles(PydanticBaseSettingsSource):
    """A source of settings. A file that cannot be read gives an UnreadableSecret, which `refuse_unreadable` refuses."""

    def __init__(
        self, settings: type[BaseSettings], names: Mapping[str, str], given: Mapping[str, str | None]
    ) -> None:
        """`names` maps each variable that may be in a file to its field; `given` has all variables."""
        super().__init__(settings)
        self._names = names
        self._given = {name.upper(): value for name, value in given.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: values are found by variable and not by field."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """The secrets that are in files, by field."""
        return dict(self._found())

    def _found(self) -> Iterator[tuple[str, str | UnreadableSecret]]:
        for name, field in self._names.items():
            if path := self._given.get(name + SUFFIX):
                both = f"{name}{SUFFIX} is set as well; unset one of them"
                yield field, UnreadableSecret(both) if self._given.get(name) else _content(name, Path(path))


def _content(name: str, path: Path) -> str | UnreadableSecret:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return UnreadableSecret(f"{name}{SUFFIX} names a file that cannot be read")
    return text or UnreadableSecret(f"{name}{SUFFIX} names a file that is empty")


def refuse_unreadable(value: object) -> object:
    """The value itself. Raises ValueError if it stands for a secret that cannot be had."""
    if isinstance(value, UnreadableSecret):
        raise ValueError(value.reason)
    return value


def exposed_files(names: Iterable[str], given: Mapping[str, str | None]) -> Iterator[str]:
    """The variables `NAME_FILE` that name files which others than their owner may read."""
    for name in names:
        path = given.get(name + SUFFIX)
        if path and Path(path).stat().st_mode & OTHERS:
            yield name + SUFFIX
