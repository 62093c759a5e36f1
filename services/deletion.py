"""A conversation goes: a long one in steps, so that nobody waits for it."""

from functools import partial

from database import Database
from store.conversations import records


async def remove(database: Database, id_: str) -> bool:
    """Delete a conversation with everything that belongs to it; whether there was one."""
    # From the end, a hundred messages a transaction: 50,000 in one would hold up intake for seconds.
    while await database.write(partial(records.delete_last_messages, id_=id_)):
        pass
    return await database.write(partial(records.delete_conversation, id_=id_))
