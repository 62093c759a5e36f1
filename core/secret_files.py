"""Secrets in files, as containers get them: `NAME_FILE` names a file that holds what `NAME` would."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"
OTHERS = 0o077
"""The permissions of a file that its owner does not need."""
GROUP_READS = 0o040
ROOT = 0


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
    """The variables `NAME_FILE` that name files which others than their owner, and this process, may read."""
    groups = {os.getegid(), *os.getgroups()}
    for name in names:
        path = given.get(name + SUFFIX)
        if path and is_exposed(Path(path).stat(), os.geteuid(), groups):
            yield name + SUFFIX


def is_exposed(file: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Whether others than its owner may read a file, for a process of a user and of groups.

    Kubernetes and systemd leave a secret to root and let the service read it: by the group of `fsGroup`, or by an ACL,
    whose mask shows as the permissions of the group.
    """
    handed_over = file.st_uid == ROOT != user and file.st_gid in {ROOT, *groups}
    return bool(file.st_mode & (OTHERS & ~GROUP_READS if handed_over else OTHERS))
