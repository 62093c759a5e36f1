"""Migrates the schema to the newest revision with Alembic."""

from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text

from core.database_url import place
from core.errors import UnknownSchema

log = structlog.get_logger()

NEWEST = "0040"
"""The revision of the last file in `migrations/versions`."""
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def migrate(connection: Connection) -> None:
    """Migrate the schema to the newest revision, inside the connection's transaction. Raises UnknownSchema."""
    found = _revision(connection)
    if found == NEWEST:
        return
    # Imported only here: most starts have nothing to migrate, and Alembic takes 9 MB and a tenth of the start-up time.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if found is not None:
        log.info("migrating", found=found, newest=NEWEST, meaning="requests are answered when it is done")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise UnknownSchema(f"a newer version of this program made the database: {error}") from None
    if found is None:
        log.info("database_created", **place(connection.engine.url))


def check(connection: Connection) -> None:
    """Raises UnknownSchema unless the schema is of this version."""
    if _revision(connection) != NEWEST:
        raise UnknownSchema("the service that runs on this database is of another version of this program")


def _revision(connection: Connection) -> str | None:
    """The revision of the schema; None if there is no schema yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
