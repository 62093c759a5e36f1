"""What one process does where several share a database, and how long they let each other work."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from core.database_settings import DatabaseSettings


class ProcessRole(StrEnum):
    """What a process does: everything, only requests, or only analysis and the other work in the background."""

    ALL = "all"
    API = "api"
    WORKER = "worker"

    @property
    def serves(self) -> bool:
        """Whether clients may call it."""
        return self is not ProcessRole.WORKER

    @property
    def works(self) -> bool:
        """Whether it analyses what is queued."""
        return self is not ProcessRole.API


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


class RoleSettings(DatabaseSettings):
    """Part of the settings of the process."""

    role: Annotated[ProcessRole, BeforeValidator(_lower)] = ProcessRole.ALL
    lease_margin_seconds: float = Field(default=30, ge=1, le=3600)
    """How long a lease outlasts the time-out of the call it is for."""

    web_concurrency: int = Field(default=1, ge=1)
    """How many processes uvicorn starts where its `--workers` does not say."""

    @model_validator(mode="after")
    def _a_file_has_one_process(self) -> Self:
        if self.role is not ProcessRole.ALL and self.database_url.startswith("sqlite"):
            raise ValueError(
                f"ROLE={self.role} needs PostgreSQL: an SQLite file has a single process, which does everything;"
                " set DATABASE_URL, or unset ROLE"
            )
        return self
