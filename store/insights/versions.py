"""Earlier versions of insights: what counted before while the text was the same. They are in no count.

An insight of an earlier text is not kept when a chat has grown: it was about something else.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select

from models import OF_ANALYSIS, insight_versions, insights
from store.engine.vault import vault_of
from store.insights.shown import shown_clusters

_i, _v = insights.c, insight_versions.c
COPIED = (
    *("conversation", "revision", "score", "sentiment", "confidence", "clusters", "reasoning"),
    *("analyzer", "model", "prompt_version", "language", "fields", "fields_version"),
)
"""The columns that an insight and its versions have in common."""


class InsightVersion(NamedTuple):
    """An earlier version: a row of `insight_versions`, and the slugs that it is shown with."""

    row: Row[Any]
    clusters: Sequence[str]


def keep_versions(connection: Connection, replaced: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep the insights of these conversations as versions; with each what the version has differently.

    That is at least `replaced_at`. The rows of the conversations are locked.
    """
    if not replaced:
        return
    columns = (_i[name] for name in (*COPIED, "analysed_at"))
    found = connection.execute(
        select(*columns).where(_i.conversation.in_(replaced)).order_by(_i.conversation)
    )
    last = _last_numbers(connection, replaced)
    rows = [
        {**_version(row), "number": last.get(row.conversation, 0) + 1, **replaced[row.conversation]}
        for row in vault_of(connection).all_opened(insights, found.all())
    ]
    connection.execute(insert(insight_versions), [*vault_of(connection).all_sealed(insight_versions, rows)])


def _version(row: Row[Any]) -> dict[str, Any]:
    copied = {name: getattr(row, name) for name in COPIED}
    return {**copied, "origin": OF_ANALYSIS, "made_at": row.analysed_at, "made_by": None}


def _last_numbers(connection: Connection, numbers: Collection[int]) -> Mapping[int, int]:
    newest = select(_v.conversation, func.max(_v.number)).where(_v.conversation.in_(numbers))
    return {row[0]: row[1] for row in connection.execute(newest.group_by(_v.conversation))}


def versions_of(connection: Connection, numbers: Collection[int]) -> Mapping[int, Sequence[InsightVersion]]:
    """The earlier versions of the insights of these conversations, newest first."""
    theirs = select(insight_versions).where(_v.conversation.in_(numbers))
    rows = connection.execute(theirs.order_by(_v.conversation, _v.number.desc())).all()
    opened = vault_of(connection).all_opened(insight_versions, rows)
    found: defaultdict[int, list[InsightVersion]] = defaultdict(list)
    for row, clusters in zip(
        opened, shown_clusters(connection, (row.clusters for row in opened)), strict=True
    ):
        found[row.conversation].append(InsightVersion(row, clusters))
    return found


def forget_versions(connection: Connection, numbers: Collection[int]) -> None:
    """Delete the versions of these conversations."""
    if numbers:
        connection.execute(delete(insight_versions).where(_v.conversation.in_(numbers)))
