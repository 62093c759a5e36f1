"""Lists of chats as they are answered."""

from api.views.chats import chat_list_view
from store.conversations.chat_lists import ChatList


def test_an_answer_says_where_there_are_more_than_were_counted() -> None:
    answer = chat_list_view(ChatList([], 7, total_is_exact=False), page=1, limit=3)

    assert answer == {"chats": [], "total": 7, "page": 1, "limit": 3, "pages": 3, "total_is_exact": False}
