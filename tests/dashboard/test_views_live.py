"""The live chat on a conversation's page, as Streamlit draws it; tests/dashboard/check_live.py has two windows."""

import asyncio
from pathlib import Path

from benchmarks.support import databases
from benchmarks.support.waiting import eventually
from client import Client
from dashboard.pages import CONVERSATION
from tests.dashboard.pages import opened, said, settings
from tests.support.access import SECRET, make_keys
from tests.support.service import serving

CHAT = "lamp"


async def test_agents_write_as_themselves_and_viewers_are_told_that_they_may_not(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = await make_keys(database)
    with (
        serving(database, None, auth_required=True, auth_secret=SECRET, chat_quiet_seconds=0) as server,
        Client(server.url, key=keys["agent"]) as client,
    ):
        client.post_messages(
            {
                "conversation_id": CHAT,
                "user_id": "ann",
                "user_type": "customer",
                "message_content": "My lamp arrived broken.",
            }
        )
        with settings(server.url, API_KEY=keys["viewer"]):
            page = await asyncio.to_thread(opened, CONVERSATION.path, {"id": CHAT})
            assert "takes the role agent" in said(page)
            assert not page.chat_input
        with settings(server.url, API_KEY=keys["agent"]):
            page = await asyncio.to_thread(opened, CONVERSATION.path, {"id": CHAT})
            await asyncio.to_thread(page.chat_input[0].set_value("We send a new one.").run)
            await eventually(lambda: client.chat(CHAT).message_count == 2)
        answer = client.chat(CHAT).messages[-1]
    assert (answer.user_id, answer.user_type) == ("agent", "support_agent")
