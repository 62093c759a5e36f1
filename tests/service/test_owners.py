"""Two keys may use the same external_id; what was posted while the service was open stays everybody's."""

import secrets
from typing import Any

from sqlalchemy.engine import URL

import database
from benchmarks.support.process import POSTS
from core import clock
from core.secret_ring import SecretRing
from domain.roles import Role
from services.access.audit_log import AuditLog, audit_key
from services.access.keys import Keys
from store.access.audit import AuditEntry
from tests.support.service import running

SECRET = "a secret of the tests that is long enough"
SAID = {"text": "My parcel is late and nobody answers", "external_id": "e1"}
OTHER = {"text": "The box was torn when it came", "external_id": "e2"}


async def keys(url: URL, *names: str, role: Role = Role.ADMIN) -> list[dict[str, str]]:
    """The headers of so many new keys."""
    async with database.opened(url) as db:
        audit = AuditLog(db, clock.now, audit_key(SecretRing([SECRET])))
        made = Keys(db, clock.now, audit, secrets.token_hex)
        asked = AuditEntry(clock.now(), "test", "")
        created = [await made.create(name, role, None, asked) for name in names]
    return [{"Authorization": f"Bearer {key.text}"} for key, _ in created]


async def test_owners_of_the_same_external_id(database_url: URL) -> None:
    ann, bob = await keys(database_url, "ann", "bob")
    async with running(database_url) as service:
        first = await service.post(SAID["text"], external_id="e1")
    async with running(database_url, auth_required=True, auth_secret=SECRET) as service:

        async def post(sent: Any, headers: dict[str, str], path: str = POSTS, status: int = 202) -> Any:
            response = await service.http.post(path, json=sent, headers=headers)
            assert response.status_code == status, response.text
            return response.json()

        known = [await post(SAID, ann), await post(SAID, bob)]
        await post({**SAID, "text": "Something else altogether"}, bob, status=409)
        of_ann, of_bob = [(await post(OTHER, each))["conversation_id"] for each in (ann, bob)]
        bulk = await post([SAID, OTHER], bob, path=f"{POSTS}/bulk")
        listed = await service.http.get(POSTS, params={"external_id": "e2"}, headers=ann)
        hint = await service.http.get(f"{POSTS}/e2", headers=ann)

    assert [(each["conversation_id"], each["enqueued"]) for each in known] == [(first, False)] * 2
    assert of_ann != of_bob
    assert bulk == {
        "ingested": 0,
        "enqueued": 0,
        "duplicates": 2,
        "conversation_ids": [first, of_bob],
    }
    assert [each["conversation_id"] for each in listed.json()["conversations"]] == [of_bob, of_ann]
    assert hint.status_code == 404
    assert all(each in hint.json()["details"] for each in (of_ann, of_bob))
