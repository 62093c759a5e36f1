"""The versions of the operator's fields, and how many insights have each."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from models import field_version_counts, field_versions
from store.insights.windows import count_all_time

_n, _v = field_version_counts.c, field_versions.c


class CountedVersion(NamedTuple):
    """A version with the number of its insights. The time is in UTC microseconds."""

    version: str
    definition: str
    """JSON."""
    first_seen: int
    insights: int


class CountedVersions(NamedTuple):
    """All versions, the newest first, and the number of all insights."""

    versions: Sequence[CountedVersion]
    insights: int


def count_versions(connection: Connection) -> CountedVersions:
    """How many insights have each version."""
    columns = _v.version, _v.definition, _v.first_seen, func.coalesce(_n.n, 0)
    found = select(*columns).outerjoin(field_version_counts, _n.version == _v.version)
    rows = connection.execute(found.order_by(_v.first_seen.desc(), _v.version))
    return CountedVersions([CountedVersion(*row) for row in rows], count_all_time(connection)[0])
