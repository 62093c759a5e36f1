"""The settings that say where the database is."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings
from sqlalchemy.engine import URL, make_url

from core.database_url import checked, checked_replica
from core.secret_files import refuse_unreadable


class DatabaseSettings(BaseSettings):
    """Part of the settings of the process."""

    # Any of them may hold a password.
    database_url: str = Field(default="sqlite+aiosqlite:///./insights.db", repr=False)
    database_listen_url: str | None = Field(default=None, repr=False)
    read_database_url: str | None = Field(default=None, repr=False)
    """A standby of it."""
    db_path: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _db_path_is_short_for_a_url(cls, values: dict[str, object]) -> dict[str, object]:
        path = values.get("db_path")
        if path and not values.get("database_url"):
            return {**values, "database_url": f"sqlite+aiosqlite:///{path}"}
        return values

    @field_validator("database_url", "database_listen_url", "read_database_url", mode="before")
    @classmethod
    def _readable(cls, value: object) -> object:
        return refuse_unreadable(value)

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _async_driver(cls, value: str | None) -> str | None:
        return None if value is None else checked(value)

    @field_validator("read_database_url")
    @classmethod
    def _is_a_replica(cls, value: str | None) -> str | None:
        return None if value is None else checked_replica(value)

    @model_validator(mode="after")
    def _replicas_are_postgresql(self) -> Self:
        if self.replica_url is not None and self.url.get_backend_name() == "sqlite":
            raise ValueError("READ_DATABASE_URL needs a DATABASE_URL of PostgreSQL")
        return self

    @model_validator(mode="after")
    def _only_postgresql_notifies(self) -> Self:
        if self.database_listen_url is None:
            return self
        if self.url.get_backend_name() == "sqlite":
            raise ValueError(
                "DATABASE_LISTEN_URL has no effect on SQLite, which one process serves; unset it"
            )
        if self.listen_url.get_backend_name() == "sqlite":
            raise ValueError("DATABASE_LISTEN_URL must lead to PostgreSQL, past any pooler")
        return self

    @property
    def url(self) -> URL:
        """The database's, with an async driver."""
        return make_url(self.database_url)

    @property
    def listen_url(self) -> URL:
        """Of the same database, by which notifications come."""
        return make_url(self.database_listen_url or self.database_url)

    @property
    def replica_url(self) -> URL | None:
        """The address of the standby, with an async driver."""
        return None if self.read_database_url is None else make_url(self.read_database_url)
