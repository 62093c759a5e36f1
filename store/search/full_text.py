"""The SQL of the full-text index on each database."""

from sqlalchemy import ColumnElement, Integer, Update, bindparam, func, select, text, update

from models import NOT_INDEXED, conversations, messages
from store.engine.prepared import PreparedChange

_c, _m = conversations.c, messages.c
ENTRY_COLUMNS = tuple(_m[name] for name in ("conversation", "position", "text", "author", "sealed_author"))
UNINDEXED = (
    select(*ENTRY_COLUMNS)
    .join_from(conversations, messages, (_m.conversation == _c.number) & (_m.position > _c.indexed))
    .where(NOT_INDEXED)
    .order_by(_c.number.desc(), _m.position)
    .limit(bindparam("most", type_=Integer))
)


def _setting_indexed(number: ColumnElement[int]) -> Update:
    after = _m.conversation == number, _m.position > bindparam("through")
    # Not min(position), for which SQLite would read all that follow.
    following = select(_m.position - 1).where(*after).order_by(_m.position).limit(1).scalar_subquery()
    return update(conversations).values(indexed=func.coalesce(following, _c.message_count))


# SQLite's driver gives up the GIL for each row of an executemany; nearly all conversations have the same position.
SET_INDEXED = PreparedChange(_setting_indexed(_c.number), _c.number)
# By the parameter, not by `number`: partitions of which none is needed are then not even planned, 1 ms of 36.
SET_INDEXED_OF_ONE = _setting_indexed(bindparam("at")).where(_c.number == bindparam("at"))
ADD_DOCUMENT = text("INSERT INTO search (rowid, words) VALUES (:place, :words)")
REMOVE_DOCUMENT = text("INSERT INTO search (search, rowid, words) VALUES ('delete', :place, :words)")
# With bounds as well, because FTS5 then seeks to the first and stops at the last.
AMONG_DOCUMENTS = (
    " AND rowid >= (SELECT min(value) << 16 FROM json_each(:among))"
    " AND rowid < (SELECT (max(value) + 1) << 16 FROM json_each(:among))"
    " AND rowid >> 16 IN (SELECT value FROM json_each(:among))"
)
_FIND = "SELECT rowid >> 16 AS conversation, rowid & 65535 AS position FROM search WHERE search MATCH :query"
FIND_DOCUMENTS = (_FIND, _FIND + AMONG_DOCUMENTS)
_CHATS = "SELECT group_concat(DISTINCT rowid >> 16) FROM search WHERE search MATCH :query"
CHATS_BY_DOCUMENT = (_CHATS, _CHATS + AMONG_DOCUMENTS)
CHATS_BETWEEN_BY_DOCUMENT = _CHATS + " AND rowid >= :first << 16 AND rowid < (:last + 1) << 16"
ADD_VECTOR = text(
    "INSERT INTO search (conversation, position, words)"
    " VALUES (:conversation, :position, CAST(:words AS tsvector))"
)
REMOVE_VECTORS = text("DELETE FROM search WHERE conversation = ANY(:numbers) AND position > :after")
REMOVE_SOME_VECTORS = text("DELETE FROM search WHERE conversation = :number AND position = ANY(:positions)")
# The best plan depends on how common the words are and on the number of conversations: a generic plan took 1 s for
# twenty conversations that take 15 ms. Custom plans everywhere would cost pages of insights 4 to 6 ms.
PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
FIND_VECTORS = (
    "SELECT conversation, position FROM search WHERE words @@ CAST(:query AS tsquery)",
    # `OFFSET 0` makes PostgreSQL read the messages of each conversation. Otherwise it looked up all messages with a
    # word: 40 ms for a word in a hundredth of all messages.
    "SELECT conversation, position FROM unnest(CAST(:among AS bigint[])) AS among (number) CROSS JOIN LATERAL"
    " (SELECT conversation, position, words FROM search WHERE conversation = number OFFSET 0) AS theirs"
    " WHERE words @@ CAST(:query AS tsquery)",
)
CHATS_BY_VECTOR = (
    "SELECT array_agg(DISTINCT conversation ORDER BY conversation) FROM search"
    " WHERE words @@ CAST(:query AS tsquery)",
    # `conversation = ANY(:among)` made PostgreSQL read all entries of a common word and also look up each number:
    # 228 ms for 7,500 conversations that take 55 this way, and 52 ms for 300 that take 2.
    "SELECT array_agg(DISTINCT number ORDER BY number) FROM unnest(CAST(:among AS bigint[])) AS among (number)"
    " WHERE EXISTS (SELECT FROM search WHERE conversation = number AND words @@ CAST(:query AS tsquery))",
)
CHATS_BETWEEN_BY_VECTOR = f"{CHATS_BY_VECTOR[0]} AND conversation BETWEEN :first AND :last"
