"""The newest revision of the schema."""

from alembic.script import ScriptDirectory

from store.engine import migration


def test_what_is_said_to_be_the_newest_revision_is_the_last_migration() -> None:
    migrations = ScriptDirectory(str(migration.MIGRATIONS))

    assert migrations.get_current_head() == migration.NEWEST
