"""How topics are shown: an insight is filed under names, and shown with the present slugs of their topics.

So a topic that is renamed or merged is so in every answer at once, of the past too, without a change of any insight.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, Row, String, func, select

from models import ACTIVE, insights, topic_names, topics
from store.engine.prepared import Prepared, among
from store.engine.vault import vault_of

_filed, _shown = topics.alias("filed"), topics.alias("shown")
_is_of = _filed.c.number == topic_names.c.topic
_is_shown_as = _shown.c.number == func.coalesce(_filed.c.merged_into, _filed.c.number)
SHOWN = Prepared(
    select(topic_names.c.name, _shown.c.slug, _shown.c.state)
    .select_from(topic_names.join(_filed, _is_of).join(_shown, _is_shown_as))
    .where(among(topic_names.c.name, "names", String))
)


def slugs_shown(connection: Connection, names: Iterable[str], *, active: bool = False) -> Mapping[str, str]:
    """The present slug of the topic that each name stands for; `active`, only of those that are not hidden."""
    rows = SHOWN.rows(connection, {"names": sorted(set(names))})
    return {name: slug for name, slug, state in rows if not active or state == ACTIVE}


def shown_clusters(connection: Connection, filed: Iterable[str]) -> list[Sequence[str]]:
    """The slugs that insights show for these values of `insights.clusters`, best first, each once."""
    named = [from_json(clusters) for clusters in filed]
    used = {name for names in named for name in names}
    slugs = slugs_shown(connection, used) if used else {}
    return [list(dict.fromkeys(slugs.get(name, name) for name in names)) for names in named]


class ShownInsight(NamedTuple):
    """A row of `insights`, and the slugs that it is shown with."""

    row: Row[Any]
    clusters: Sequence[str]


def as_shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[ShownInsight]:
    """Rows of `insights` with the slugs that they are shown with; the rows opened, if they are sealed."""
    opened = vault_of(connection).all_opened(insights, rows)
    clusters = shown_clusters(connection, (row.clusters for row in rows))
    return [*map(ShownInsight, opened, clusters)]


def insight_of(connection: Connection, conversation: int) -> ShownInsight | None:
    """The insight of a conversation, by its number."""
    found = connection.execute(select(insights).where(insights.c.conversation == conversation)).all()
    return next(iter(as_shown(connection, found)), None)
