"""Alembic's entry point: migrates on the given connection, inside its transaction."""

from alembic import context

from models import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
