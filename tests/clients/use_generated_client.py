"""What somebody does with a generated client: run by check_generated_client.py, in the generator's venv."""

import sys
from datetime import UTC, datetime

from generated import Client
from generated.api.chats import add_chat_messages, get_chat, list_chats, summarize_chat
from generated.api.conversations import (
    create_conversation,
    create_conversations,
    get_conversation,
    get_conversation_statuses,
    list_conversations,
)
from generated.api.insights import get_trends, list_insights
from generated.models import (
    ChatReference,
    ConversationIds,
    Error,
    NewChatMessage,
    NewChatMessageUserType,
    NewConversation,
    NewDialogueMessage,
)
from generated.types import UNSET

LATE = "Where is my parcel? It is three days late."
DAY = datetime(2026, 11, 20, 10, tzinfo=UTC)


def post(client: Client) -> list[str]:
    """Post a text, a dialogue, an array and a chat; the ids."""
    turns = [NewDialogueMessage(text=LATE, author="c1"), NewDialogueMessage(text="Sorry!", inbound=False)]
    text = create_conversation.sync(client=client, body=NewConversation(text=LATE, timestamp=DAY))
    dialogue = create_conversation.sync(client=client, body=NewConversation(messages=turns, timestamp=DAY))
    items = [NewConversation(text=f"{LATE} {number}", timestamp=DAY) for number in range(5)]
    bulk = create_conversations.sync(client=client, body=items)
    message = NewChatMessage(user_id="c1", user_type=NewChatMessageUserType.CUSTOMER, message_content=LATE)
    one = add_chat_messages.sync(client=client, body=message)
    many = add_chat_messages.sync(client=client, body=[message, message])
    chats = one.conversation_ids + many.conversation_ids
    return [text.conversation_id, dialogue.conversation_id, *bulk.conversation_ids, *chats]


def read(client: Client, ids: list[str]) -> None:
    """Read what was posted, and what became of it."""
    for id_ in ids[:7]:
        assert get_conversation.sync(id_, client=client, wait=20).status.value == "completed"
    statuses = get_conversation_statuses.sync(client=client, body=ConversationIds(ids=[*ids, "nobody"]))
    assert (len(statuses.conversations), statuses.unknown) == (len(ids), ["nobody"])
    assert len(get_chat.sync(ids[-1], client=client).messages) == 2
    summary = summarize_chat.sync(client=client, body=ChatReference(conversation_id=ids[1]))
    assert summary.conversation_id == ids[1]
    assert get_trends.sync(client=client, days=365).total_insights >= 0
    refused = create_conversation.sync(client=client, body=NewConversation())
    assert isinstance(refused, Error), refused
    assert refused.error.value == "invalid_schema"


def page(client: Client, ids: list[str]) -> None:
    """Go through every list from its first page to its last."""
    seen: list[str] = []
    cursor: object = UNSET
    while cursor is not None:
        found = list_conversations.sync(client=client, limit=4, cursor=cursor)
        seen += [each.conversation_id for each in found.conversations]
        cursor = found.next_cursor
    assert sorted(seen) == sorted(ids)
    window: dict[str, object] = {
        "start_time": DAY,
        "end_time": datetime(2026, 11, 21, tzinfo=UTC),
        "min_confidence": UNSET,
    }
    insights: list[str] = []
    while True:
        found = list_insights.sync(client=client, limit=3, **window)
        insights += [each.conversation_id for each in found.insights]
        if found.metadata.next_cursor is None:
            break
        window = {"cursor": found.metadata.next_cursor, "min_confidence": UNSET}
    assert sorted(insights) == sorted(ids[:7])
    chats = list_chats.sync(client=client, limit=2, keyword="parcel", start_date=DAY.date())
    assert (len(chats.chats), chats.pages, chats.total_is_exact) == (2, -(-chats.total // 2), True)


def main() -> None:
    client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
    ids = post(client)
    read(client, ids)
    page(client, ids)
    sys.stdout.write("posted, read, paged\n")


if __name__ == "__main__":
    main()
