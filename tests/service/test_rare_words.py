"""Real dialogues in an encrypted service: their rare words are found, and stand in no file that it leaves."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.support.databases import KINDS, POSTGRESQL, fresh
from benchmarks.support.process import ROOT, Json, Process, address, client
from benchmarks.support.waiting import eventually
from domain.search_words import words
from domain.topics import BUILT_IN
from tests.fake_grok.server import KEY
from tests.support.service import Grok

DIALOGS = ROOT.parent / "shared" / "data" / "support_dialogs_300.jsonl"
SECRET = b64encode(bytes([7]) * 32).decode()
RUN = re.compile(rb"[a-z0-9]{9,}")
LONG = 9
"""Letters of a word that does not stand in so many megabytes by chance."""
ROLES = ("customer", "support", "agent")
SEARCHED, PHRASES, SUMMARIES = 30, 10, 5


def dialogs() -> list[list[Json]]:
    """The dialogues as posts, each message with an author of its own."""
    found = [json.loads(line) for line in DIALOGS.read_text().splitlines()]
    return [
        [
            {
                "conversation_id": f"dialog-{number}",
                "user_type": said["role"],
                "user_id": f"author{number}x{said['role'].removeprefix('support_')}",
                "message_content": said["text"],
            }
            for said in each["messages"]
        ]
        for number, each in enumerate(found)
    ]


def rare(texts: Sequence[str], known: str) -> list[str]:
    """The thousand rarest long words.

    Not those with a role in them: the sender's digest is base64 and stands next to the role. Where it ends with "yR"
    it made "yrcustomer" with it, in two runs of three that were looked at.
    """
    counts = Counter(
        word for text in texts for word in words(text) if len(word) >= LONG and RUN.fullmatch(word.encode())
    )
    unknown = [word for word in counts if word not in known and not any(role in word for role in ROLES)]
    return sorted(unknown, key=lambda word: (counts[word], word))[:1_000]


def runs_in(folders: Sequence[Path]) -> str:
    """All runs of letters and digits in the files of folders, each once: a server's files have 60 MB."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    runs = {run for path in files for run in RUN.findall(path.read_bytes().lower())}
    return b" ".join(runs).decode()


def standing(folders: Sequence[Path], wanted: Collection[str]) -> set[str]:
    """Those of the words that stand in any file of the folders."""
    assert all(RUN.fullmatch(word.encode()) for word in wanted)
    runs = runs_in(folders)
    return {word for word in wanted if word in runs}


@pytest.fixture(params=KINDS)
def own_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[URL, Sequence[Path]]]:
    """A database on a server of its own, so that nobody else's words are in its log; and the folders of its files."""
    with fresh(request.param, tmp_path) as url:
        folders = [tmp_path]
        if request.param == POSTGRESQL:
            folders.append(Path(asyncio.run(asked(url, "SHOW data_directory"))))
        yield url, folders


async def asked(url: URL, statement: str) -> Any:
    """The value that a statement gives, in the server's own words."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        found = await connection.execute(text(statement))
        value = found.scalar() if found.returns_rows else None
    await engine.dispose()
    return value


async def post_all(http: httpx.AsyncClient, posts: Sequence[Sequence[Json]]) -> None:
    for post in posts:
        answer = await http.post("/chats", json=post)
        assert answer.status_code == 201, answer.text


async def chats_with(http: httpx.AsyncClient, keyword: str, **more: Any) -> set[str]:
    answer = await http.get("/chats", params={"keyword": keyword, "limit": 100, **more})
    assert answer.status_code == 200, answer.text
    return {each["conversation_id"] for each in answer.json()["chats"]}


def write_all(url: URL, folder: Path) -> None:
    """Have everything in files: a backup of SQLite, a checkpoint of PostgreSQL, which other programs back up."""
    if url.get_backend_name() == POSTGRESQL:
        asyncio.run(asked(url, "CHECKPOINT"))
        return
    backup = [sys.executable, "-m", "database", "backup", str(folder / "copy.db")]
    given = {"PATH": "", "PYTHONPATH": str(ROOT), "DATABASE_URL": address(url)}
    subprocess.run(backup, cwd=ROOT, env=given, check=True, capture_output=True)


@pytest.mark.skipif(not DIALOGS.exists(), reason="the real dialogues are not beside this repository")
async def test_the_rare_words_of_real_dialogues_are_found_and_stand_nowhere(
    own_database: tuple[URL, Sequence[Path]], tmp_path: Path, grok: Grok
) -> None:
    url, folders = own_database
    folder = tmp_path
    posts = dialogs()
    texts = [said["message_content"] for post in posts for said in post]
    environ: Json = {
        "DATABASE_URL": address(url),
        "DATA_ENCRYPTION_KEY": SECRET,
        "GROK_API_KEY": KEY,
        "GROK_BASE_URL": grok.url,
        "CHAT_QUIET_SECONDS": 0,
        "OUTBOUND_RPS": 200,
        "INBOUND_RPS": 0,
        "TMPDIR": folder,
    }

    with Process(folder, **environ) as service:
        # Words of the schema, of the log's own lines and of the topics are nobody's.
        wanted = rare(texts, runs_in(folders) + " ".join(BUILT_IN))
        async with client(service.url) as http:
            await post_all(http, posts[:150])
            service.end(signal.SIGKILL)
        service.start()
        async with client(service.url) as http:
            await post_all(http, posts[150:])
            assert await asyncio.to_thread(service.drained, 120)
            for number in range(SUMMARIES):
                body = {"conversation_id": f"dialog-{number}"}
                assert (
                    await http.post("/chats/summarize", json=body, params={"wait": 60})
                ).status_code == 200
            await asyncio.to_thread(write_all, url, folder)

            authors = {said["user_id"] for post in posts for said in post}
            assert len(wanted) > 900

            async def is_indexed() -> bool:
                return "dialog-0" in await chats_with(http, f'"{" ".join(words(texts[0])[:3])}"')

            await eventually(is_indexed, 60)
            for word in wanted[:: len(wanted) // SEARCHED]:
                theirs = {
                    said["conversation_id"]
                    for post in posts
                    for said in post
                    if word in words(said["message_content"])
                }
                assert theirs <= await chats_with(http, word), word
            for post in posts[:: len(posts) // PHRASES]:
                phrase = " ".join(words(post[0]["message_content"])[:4])
                found = await chats_with(http, f'"{phrase}"', user_id=post[0]["user_id"])
                assert post[0]["conversation_id"] in found, phrase
            assert standing(folders, {*wanted, *authors}) == set()
