"""The hash of a post's content, by which a repeated post is told from a conflicting one."""

import hashlib

from schemas import Conversation, compact


def content_hash(sent: Conversation) -> bytes:
    """SHA-256 of the fields, with synonyms resolved and defaults left out."""
    fields = sent.model_dump(exclude_none=True, exclude={"messages"})
    if sent.messages is not None:
        fields["messages"] = [
            {**message.model_dump(exclude_none=True, exclude={"inbound", "role"}), "role": message.sender}
            for message in sent.messages
        ]
    return hashlib.sha256(compact(fields).encode()).digest()
