"""Bodies of help desks in their true shape, with every trap in them, and what they come down to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.helpdesk import chatwoot, freshdesk, intercom, zendesk
from domain.helpdesk.markup import plain_text
from domain.helpdesk.messages import HelpdeskConversation, HelpdeskMessage
from tests.support.helpdesk_bodies import (
    CONVERSATION,
    EPOCH,
    FRESHDESK,
    LIST,
    NOON,
    TICKET,
    USERS,
    Json,
    added,
    comment,
    part,
    webhook,
)

C, A = "customer", "support_agent"


def said(conversation: HelpdeskConversation) -> list[tuple[str, str | None, str, str]]:
    return [(each.id, each.author, each.role, each.text) for each in conversation.messages]


# --- Chatwoot -----------------------------------------------------------------------------------------------


def test_a_list_of_chatwoot_messages_leaves_out_notices_notes_and_media() -> None:
    (found,) = chatwoot.conversations_in(LIST)

    assert found.id == "7"
    assert said(found) == [
        ("91", "1", C, "My lamp flickers"),
        ("94", "0", A, "Please send a photo"),
        ("96", "0", A, "How did we do?"),
    ]
    assert found.messages[0].said_at == NOON
    assert found.left_out == {"system notice": 1, "internal note": 1, "media": 1, "deleted message": 1}


@pytest.mark.parametrize(
    "written",
    [EPOCH, f"{EPOCH}.0", "2026-11-03 12:00:00 UTC", "2026-11-03T12:00:00.000Z", "2026-11-03T13:00:00+01:00"],
)
def test_chatwoot_writes_times_in_three_ways(written: object) -> None:
    (found,) = chatwoot.conversations_in(webhook(created_at=written))

    assert [each.said_at for each in found.messages] == [NOON]


def test_a_chatwoot_webhook_is_the_message_that_the_api_has() -> None:
    (hooked,) = chatwoot.conversations_in(webhook())
    (listed,) = chatwoot.conversations_in({"data": LIST})

    assert (hooked.id, hooked.messages[0].id) == (listed.id, listed.messages[0].id)
    assert said(hooked) == [("91", "5", C, "My lamp flickers")]


def test_what_an_agent_wrote_in_chatwoot_has_to_say_whether_it_is_private() -> None:
    note = webhook(message_type="outgoing", private=True)
    with pytest.raises(ValueError, match="private is missing"):
        chatwoot.conversations_in(webhook(message_type="outgoing"))

    (found,) = chatwoot.conversations_in(note)
    assert (found.messages, found.left_out) == ([], {"internal note": 1})


def test_chatwoot_conversations_hold_their_messages_and_other_events_hold_none() -> None:
    conversation = {"event": "conversation_created", "id": 7, "messages": [LIST["payload"][0]]}
    (created,) = chatwoot.conversations_in(conversation)
    (listed,) = chatwoot.conversations_in(
        {"data": {"payload": [{"id": 7, "messages": [LIST["payload"][0]]}]}}
    )

    assert said(created) == said(listed) == [("91", "1", C, "My lamp flickers")]
    assert chatwoot.conversations_in({"event": "contact_updated", "id": 5}) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"content": "hi"}, "there is no message_type"),
        (webhook(message_type=4), "message_type is none of"),
        (webhook(message_type=True), "message_type is none of"),
        (webhook(conversation=None), "conversation_id is missing"),
        (webhook(id=None), "id is missing"),
        (webhook(content=["hi"]), "content is not a text"),
        (webhook(created_at="yesterday"), "created_at is not a time"),
        (webhook(created_at=float("inf")), "created_at is not a time"),
        (webhook(sender="Mara"), "sender is not an object"),
        (webhook(attachments=[1]), "attachments is not a list of objects"),
    ],
)
def test_a_chatwoot_body_that_is_wrong_names_the_field(body: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        chatwoot.conversations_in(body)


# --- Zendesk ------------------------------------------------------------------------------------------------


def test_a_zendesk_ticket_takes_roles_from_its_users_not_from_who_asked() -> None:
    (found,) = zendesk.conversations_in({**TICKET, "users": USERS})

    assert found.id == "35436"
    assert said(found) == [
        ("1", "22", A, "The\u00a0lamp & the plug"),
        ("2", "11", C, "comment 2"),
        ("5", "22", A, "comment 5"),
    ]
    assert found.left_out == {"internal note": 1, "media": 1, "attachment": 2, "voice call": 1}


WRAPPED: list[Json] = [
    {"ticket": {"id": 35436}, "comments": TICKET["comments"], "users": USERS},
    {"ticket": {**TICKET, "requester": USERS[1]}, "users": USERS[:1]},
    {**TICKET, "submitter": USERS[0], "assignee": USERS[1]},
    {"ticket_id": 35436, "comments": TICKET["comments"], "users": USERS},
]


@pytest.mark.parametrize("body", WRAPPED)
def test_zendesk_wraps_a_ticket_in_several_ways(body: Json) -> None:
    (found,) = zendesk.conversations_in(body)

    assert (found.id, [each.role for each in found.messages]) == ("35436", [A, C, A])


def test_without_roles_zendesk_authors_are_unknown_until_agents_are_named() -> None:
    with pytest.raises(ValueError, match="author_id"):
        zendesk.conversations_in(TICKET)

    (named,) = zendesk.conversations_in(TICKET, agents=["22"])
    (known,) = zendesk.conversations_in(TICKET, users={"22": "support_agent", "11": "customer"})
    assert said(named) == said(known)


def test_a_zendesk_comment_may_stand_alone_with_the_id_of_its_ticket() -> None:
    (found,) = zendesk.conversations_in({**comment(2, 11), "ticket_id": 35436}, users={"11": "customer"})

    assert (found.id, said(found)) == ("35436", [("2", "11", C, "comment 2")])


def test_a_zendesk_event_is_the_comment_that_the_ticket_has() -> None:
    (event,) = zendesk.conversations_in(added())
    (ticket,) = zendesk.conversations_in({**TICKET, "users": USERS})
    (note,) = zendesk.conversations_in(added(is_public=False))
    (staff,) = zendesk.conversations_in({**added(author={"id": "22", "is_staff": True}), "detail": {}})

    assert (event.id, event.messages) == (ticket.id, ticket.messages[1:2])
    assert (note.messages, note.left_out) == ([], {"internal note": 1})
    assert (staff.id, staff.messages[0].role) == ("35436", A)
    assert zendesk.conversations_in({**added(), "type": "zen:event-type:ticket.status_changed"}) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**TICKET, "id": None, "users": USERS}, "id is missing"),
        ({"ticket_id": 1, "comments": [{"id": 1, "author_id": 11, "body": "hi"}]}, "public is missing"),
        ({"ticket_id": 1, "comments": "none"}, "comments is not a list of objects"),
        (added(author={"id": "11"}), "is_staff is missing"),
    ],
)
def test_a_zendesk_body_that_is_wrong_names_the_field(body: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        zendesk.conversations_in(body)


# --- Intercom -----------------------------------------------------------------------------------------------


def test_an_intercom_conversation_begins_with_its_source() -> None:
    (found,) = intercom.conversations_in(CONVERSATION)

    assert found.id == "400"
    assert said(found) == [
        ("900", "536e", C, "My lamp flickers & hums"),
        ("1", "b", A, "One moment"),
        ("4", "admin-4", A, "Solved"),
        ("6", "contact-6", C, "Thanks, a < b"),
        ("8", "team-8", A, "Bye"),
    ]
    assert {each.said_at for each in found.messages} == {NOON}
    assert found.left_out == {
        "system notice": 1,
        "internal note": 1,
        "media": 1,
        "attachment": 1,
        "deleted message": 1,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"type": "notification_event", "topic": "conversation.user.replied", "data": {"item": CONVERSATION}},
        {"type": "conversation.list", "conversations": [CONVERSATION]},
        {**CONVERSATION, "conversation_parts": CONVERSATION["conversation_parts"]["conversation_parts"]},
    ],
)
def test_intercom_wraps_a_conversation_in_several_ways(body: Json) -> None:
    assert intercom.conversations_in(body) == intercom.conversations_in(CONVERSATION)


def test_another_event_of_intercom_holds_no_conversation() -> None:
    ping = {"type": "notification_event", "topic": "ping", "data": {"item": {"type": "ping"}}}

    assert intercom.conversations_in(ping) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "conversation"}, "id is missing"),
        ({"id": "1", "conversation_parts": [part(1, "robot", "hi")]}, "author.type is none of"),
        ({"id": "1", "conversation_parts": {"conversation_parts": 3}}, "conversation_parts is not a list"),
    ],
)
def test_an_intercom_body_that_is_wrong_names_the_field(body: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        intercom.conversations_in(body)


# --- Freshdesk ----------------------------------------------------------------------------------------------


def test_a_freshdesk_ticket_begins_with_its_description() -> None:
    (found,) = freshdesk.conversations_in(FRESHDESK)
    (reply,) = freshdesk.conversations_in(FRESHDESK["conversations"][2])
    (outbound,) = freshdesk.conversations_in({**FRESHDESK, "source": 10, "conversations": []})

    assert said(found) == [
        ("3", "11", C, "My lamp flickers"),
        ("42", "22", A, "A photo?"),
        ("43", "11", C, "Here"),
    ]
    assert found.left_out == {"internal note": 1, "media": 1}
    assert (reply.id, said(reply)) == ("3", [("43", "11", C, "Here")])
    assert said(outbound) == [("3", "22", A, "My lamp flickers")]


# --- HTML ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>It <b>came</b>.</p><p>1. first<br>2. second</p>", "It came.\n\n1. first\n2. second"),
        ("a < b, and c > d", "a < b, and c > d"),
        ("5 &amp; 6", "5 &amp; 6"),
        ("<p></p>", ""),
        ("<style>p {}</style><script>x</script><p>hello</p>", "hello"),
    ],
)
def test_html_becomes_what_somebody_read(markup: str, text: str) -> None:
    assert plain_text(markup) == text


def test_html_without_end_or_bottom_is_read_or_refused() -> None:
    deep = "<div>" * 100_000 + "hello"

    for markup in (deep, "<p>" + "<!--" * 100_000, "<a " * 100_000, "<p>" + "x" * 1_000_000):
        try:
            plain_text(markup)
        except ValueError:
            continue


# --- anything -----------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_a_body_with_anything_in_it_is_mapped_or_refused_by_name(data: st.DataObject) -> None:
    whole: list[tuple[Any, Json]] = [
        (chatwoot, webhook(private=False)),
        (zendesk, {**TICKET, "users": USERS}),
        (zendesk, added()),
        (intercom, CONVERSATION),
        (freshdesk, FRESHDESK),
    ]
    module, body = data.draw(st.sampled_from(whole))
    changed = {**body, data.draw(st.sampled_from(sorted(body))): data.draw(VALUES)}

    try:
        found = module.conversations_in(changed)
    except ValueError:
        return
    assert all(isinstance(each, HelpdeskMessage) for one in found for each in one.messages)
