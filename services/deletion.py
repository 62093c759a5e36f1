"""Deletes a conversation; a long one in steps, so that no other write waits for long."""

from functools import partial

from database import Database
from store.conversations import records


async def remove(database: Database, id_: str) -> bool:
    """Delete a conversation and everything that belongs to it; gives whether it existed."""
    # From the end, a hundred messages per transaction: 50,000 in one would delay intake by seconds.
    while await database.write(partial(records.delete_last_messages, id_=id_)):
        pass
    return await database.write(partial(records.delete_conversation, id_=id_))
