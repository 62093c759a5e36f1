"""How topics are shown: an insight is filed under names, and shown with the present slugs of their topics.

So a topic that is renamed or merged is so in every answer at once, of the past too, without a change of any insight.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import from_json
from sqlalchemy import Connection, String, func, select

from models import ACTIVE, topic_names, topics
from store.engine.prepared import Prepared, among

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
