"""`/api/v1/people`: who may, what an export has, what is left of a person in the files, and the receipt."""

import asyncio
import base64
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from benchmarks.support.process import POSTS, address
from benchmarks.support.waiting import eventually
from domain import receipts
from domain.roles import Role
from tests.service.test_owners import SECRET, keys
from tests.support.chat_views import names
from tests.support.service import Grok, Service, running

ANN, BOB = "ann+1/x@example.com", "bob"
PATH = "/api/v1/people/ann+1/x@example.com"
SECRET_WORDS = ("zzparcelzz", "zzrefundzz", "zzsubjectzz")


async def fill(service: Service) -> list[str]:
    """Ann's text, a chat of hers and Bob's, and one of Bob's; their ids, once all are analysed."""
    text = await service.post("My zzparcelzz is late and nobody answers me", author=ANN, metadata={"k": "v"})
    sent = {
        "conversation_id": "both",
        "external_id": "x1",
        "raw_data": {"subject": "zzsubjectzz"},
        "messages": [
            {"text": "Hello, how may I help you today?", "author": BOB, "role": "support_agent"},
            {"text": "Where is my zzrefundzz? It has not come at all.", "author": ANN},
            {"text": "It is on its way, sorry for the delay.", "author": BOB, "role": "support_agent"},
        ],
    }
    assert (await service.http.post(POSTS, json=sent)).status_code == 202
    other = await service.post("The box was torn when it came", author=BOB)
    await service.all_ended([text, "both", other])
    summary = await service.http.post("/chats/summarize", json={"conversation_id": "both"})
    assert summary.status_code == 200, summary.text
    return [text, "both", other]


def in_files(url: URL, word: str) -> int:
    """How often a word stands in the file and its journals, in upper or lower case."""
    file = Path(url.database or "")
    files = [path for path in file.parent.iterdir() if path.name.startswith(file.name)]
    return sum(path.read_bytes().lower().count(word.encode()) for path in files)


async def test_whoever_deletes_an_export_erases_nobody(database_url: URL) -> None:
    """An id that ends with `/export` is erased all the same, with its slash escaped."""
    odd = "team/export"
    async with running(database_url) as service:
        ids = [await service.post("Where is my parcel?", author=author) for author in ("team", odd)]
        await service.all_ended(ids)
        refused = await service.http.delete("/api/v1/people/team/export")
        left = [(await service.http.get(f"{POSTS}/{id_}")).status_code for id_ in ids]
        erased = await service.http.delete("/api/v1/people/team%2Fexport")
        after = [(await service.http.get(f"{POSTS}/{id_}")).status_code for id_ in ids]

    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert left == [200, 200]
    assert erased.status_code == 200
    assert after == [200, 404]


KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("given", [{}, {"data_encryption_key": KEY}], ids=["plain", "encrypted"])
async def test_an_export_has_all_that_is_stored_of_a_person(database_url: URL, given: dict[str, Any]) -> None:
    async with running(database_url, **given) as service:
        text, both, _ = await fill(service)
        export = await service.get(f"{PATH}/export")
        nobody = await service.get("/api/v1/people/nobody/export")

    first, second = export["conversations"]
    assert export["person"] == ANN
    assert (first["conversation_id"], second["conversation_id"]) == (text, both)
    assert [each["message_content"] for each in first["messages"]] == [
        "My zzparcelzz is late and nobody answers me"
    ]
    assert (first["metadata"], first["summary"]) == ({"k": "v"}, None)
    assert first["insight"]["analyzer"] == "offline"
    assert [each["own"] for each in second["messages"]] == [False, True, False]
    assert (second["external_id"], second["raw_data"]) == ("x1", {"subject": "zzsubjectzz"})
    assert second["summary"]["message_count"] == 3
    assert nobody["conversations"] == []


async def test_an_export_of_more_than_a_page_is_whole(database_url: URL) -> None:
    async with running(database_url) as service:
        message = {"conversation_id": "long", "user_id": ANN, "user_type": "customer"}
        some = [{**message, "message_content": f"Number {at}"} for at in range(60)]
        assert (await service.http.post("/chats", json=some)).status_code == 201
        texts = [{"text": f"My parcel has number {at}, and is late", "author": ANN} for at in range(120)]
        assert (await service.http.post(f"{POSTS}/bulk", json=texts)).status_code == 202
        export = await service.get(f"{PATH}/export")

    chat, *others = export["conversations"]
    assert [each["message_content"] for each in chat["messages"]] == [f"Number {at}" for at in range(60)]
    assert [each["messages"][0]["message_content"] for each in others] == [each["text"] for each in texts]


async def test_an_erased_persons_chat_is_analysed_and_summarised_anew(database_url: URL, grok: Grok) -> None:
    grok.gaps = True
    async with running(database_url, grok) as service:
        text, both, _ = await fill(service)
        response = await service.http.delete(PATH)
        gone = await service.http.get(f"{POSTS}/{text}")
        view = await service.ended(both)
        summary = await eventually(lambda: summary_of(service, both))
        page = await service.get(f"/chats/{both}")
        found = [(await service.get("/chats", keyword=word))["total"] for word in SECRET_WORDS]
        people = [(await service.get(f"/users/{who}/chats"))["total"] for who in (ANN, BOB)]
        again = await service.http.delete(PATH)

    assert response.status_code == 200
    assert response.json()["counts"] == {
        "deleted": 1,
        "changed": 1,
        "messages": 2,
        "insights": 2,
        "summaries": 1,
    }
    assert gone.status_code == 404
    assert (view["status"], view["raw_data"], view["author"]) == ("completed", None, None)
    assert view["messages_truncated"] is False
    assert (page["total"], [each["position"] for each in page["messages"]]) == (2, [1, 3])
    assert (page["message_count"], names(page)) == (2, [BOB])
    assert summary["message_count"] == 2
    assert (found, people) == ([0, 0, 0], [0, 2])
    assert not any(again.json()["counts"].values())


async def summary_of(service: Service, chat: str) -> Any:
    """The summary, once it has been written anew."""
    response = await service.http.get(f"/chats/{chat}/summary")
    assert "stale" in response.json() or response.status_code == 202, response.text
    return response.json() if response.status_code == 200 and not response.json()["stale"] else None


async def test_after_a_vacuum_nothing_of_a_person_stands_in_the_file(tmp_path: Path) -> None:
    url = databases.sqlite(tmp_path)
    async with running(url) as service:
        await fill(service)
        assert all(in_files(url, word) for word in SECRET_WORDS)
        response = await service.http.delete(PATH)
        await service.ended("both")

        async def is_merged() -> bool:
            return not await service.rows("SELECT * FROM switches WHERE name = 'erase_deleted_words'")

        await eventually(is_merged, 60)
    with sqlite3.connect(str(url.database)) as connection:
        connection.execute("VACUUM")
    connection.close()

    assert response.status_code == 200
    assert [in_files(url, word) for word in (*SECRET_WORDS, ANN, "x@example")] == [0] * 5


async def test_who_may_erase_and_what_the_log_says(database_url: URL, tmp_path: Path) -> None:
    [admin] = await keys(database_url, "ann")
    [agent] = await keys(database_url, "agent", role=Role.AGENT)
    async with running(database_url, auth_required=True, auth_secret=SECRET) as service:
        await service.http.post(POSTS, json={"text": "My parcel is late", "author": ANN}, headers=agent)
        denied = [
            await service.http.delete(PATH, headers=agent),
            await service.http.get(f"{PATH}/export", headers=agent),
            await service.http.delete(PATH),
        ]
        export = await service.http.get(f"{PATH}/export", headers=admin)
        erased = await service.http.delete(PATH, headers=admin)
        entries = (await service.http.get("/api/v1/audit", headers=admin)).json()["entries"]
        logged = json.dumps(entries)

    receipt = erased.json()
    assert [each.status_code for each in denied] == [403, 403, 401]
    assert (export.status_code, erased.status_code) == (200, 200)
    assert (receipt["counts"]["messages"], receipt["algorithm"]) == (1, receipts.SIGNED)
    actions = [each["action"] for each in entries]
    assert {"person.erase", "person.export", "call.denied"} <= {*actions}
    [noted] = [each for each in entries if each["action"] == "person.erase"]
    assert noted["actor"] == receipt["by"]
    assert receipts.digest(receipt) in noted["target"]
    assert "example.com" not in logged
    await check_receipt(database_url, receipt, tmp_path)


async def check_receipt(url: URL, receipt: dict[str, Any], folder: Path) -> None:
    code, said = await verified(url, receipt, folder, "--person", ANN)
    assert (code, "signature is genuine" in said, "about this person" in said) == (0, True, True)
    code, said = await verified(url, receipt, folder, "--person", BOB)
    assert (code, "not about this person" in said) == (1, True)
    forged = {**receipt, "counts": {**receipt["counts"], "messages": 7}}
    code, said = await verified(url, forged, folder)
    assert (code, "signature is wrong" in said, "no entry" in said) == (1, True, True)
    code, said = await verified(url, {"id": "x"}, folder)
    assert (code, "holds no receipt" in said) == (1, True)


async def verified(url: URL, receipt: dict[str, Any], folder: Path, *more: str) -> tuple[int, str]:
    """What `python -m access verify-receipt` says."""
    file = folder / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "access", "verify-receipt", str(file), *more],
        env={"DATABASE_URL": address(url), "AUTH_SECRET": SECRET, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def test_without_a_secret_the_receipt_says_that_it_is_not_signed(
    database_url: URL, tmp_path: Path
) -> None:
    async with running(database_url) as service:
        receipt = (await service.http.delete(PATH)).json()
        code, said = await verified(database_url, receipt, tmp_path, "--person", ANN)

    assert (receipt["algorithm"], receipt["key"], receipt["signature"]) == ("none", None, None)
    assert (code, "is not signed" in said, "about this person" in said) == (0, True, True)
