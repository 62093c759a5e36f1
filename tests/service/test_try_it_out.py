"""Every call of /docs, tried out with its own example: first what stores, last what deletes."""

from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from tests.support.service import Service, running

FIRST = ("create_conversation", "create_conversations", "add_chat_messages", "summarize_chat")
# Only what failed or was skipped can be tried again, and the example has completed. While the service is open, its
# keys are made at the command line, and there is nobody whom a token could stand for.
REFUSED = {
    "retry_conversation": 409,
    "create_key": 403,
    "revoke_key": 403,
    "create_token": 403,
    "create_ticket": 403,
    "end_session": 404,
    "change_role": 403,
    # Nothing that takes long has been asked for.
    **dict.fromkeys(("get_reanalysis", "get_job", "cancel_job", "pause_job", "resume_job"), 404),
    # No batch is at xAI.
    "cancel_batch": 404,
    # Nothing has been found.
    **dict.fromkeys(("get_proposal", "accept_proposal", "reject_proposal"), 404),
    # No webhook has the id of the example.
    **dict.fromkeys(
        ("get_webhook", "change_webhook", "delete_webhook", "list_deliveries", "resend_event"), 404
    ),
    **dict.fromkeys(("get_alert", "change_alert", "delete_alert"), 404),
    # No secret of a help desk is set.
    "take_helpdesk_webhook": 404,
    "delete_account": 403,
}


def order(name: str) -> tuple[bool, int]:
    return name.startswith("delete"), FIRST.index(name) if name in FIRST else len(FIRST)


async def calls(service: Service) -> list[tuple[str, str, str, dict[str, Any]]]:
    """The name, method, path and example of every operation."""
    document = await service.get("/openapi.json")
    found = [
        (operation["operationId"], method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda call: order(call[0]))


def given(operation: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        each["name"]: each["example"]
        for each in operation.get("parameters", ())
        if each["in"] == kind and "example" in each
    }


async def done(service: Service, job: str) -> None:
    """Wait until a job is: only then can topics be changed again."""

    async def is_completed() -> bool:
        return bool((await service.get(job))["status"] == "completed")

    await eventually(is_completed)


async def take_back(service: Service) -> None:
    """Undo a change of topics, so that its example can be tried again."""
    answer = await service.http.post("/api/v1/topics/undo")
    await done(service, answer.headers["location"])


@pytest.mark.parametrize("times", [1, 2])
async def test_every_example_succeeds(database_url: URL, times: int) -> None:
    """Whoever tries them a second time is answered, too."""
    async with running(database_url) as service:
        for name, method, path, operation in times * await calls(service):
            if name == "retry_conversation":
                await service.ended("ticket-77")
            answer = await tried(service, method, path, operation)

            if name in ("merge_topics", "split_topic"):
                await done(service, answer.headers["location"])
            if name == "split_topic":
                await take_back(service)
            assert answer.status_code == REFUSED.get(name, answer.status_code), name
            assert name in REFUSED or answer.is_success, f"{name}: {answer.text}"


async def tried(
    service: Service, method: str, path: str, operation: dict[str, Any], **further: str
) -> httpx.Response:
    """The answer to an operation's own example, with further query parameters."""
    content = operation.get("requestBody", {}).get("content", {})
    return await service.http.request(
        method,
        path.format(**given(operation, "path")),
        params=given(operation, "query") | further,
        json=content.get("application/json", {}).get("example"),
    )


OF_OPERATORS = ("/health", "/healthz", "/metrics")
"""Probes and monitors may add parameters of their own."""


async def test_an_unknown_parameter_is_refused_by_name(database_url: URL) -> None:
    async with running(database_url) as service:
        for name, method, path, operation in await calls(service):
            if path not in OF_OPERATORS:
                answer = await tried(service, method, path, operation, sort_of="1")

                assert answer.status_code == 400, f"{name}: {answer.text}"
                assert answer.json()["details"] == "Unknown parameter: sort_of", name
