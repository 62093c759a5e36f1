"""Zendesk: tickets with their comments as exports and the API have them, and the event webhook of a new comment.

A comment names its author by id only, and whoever asked for a ticket may be an agent. So the role comes from a list
of users, from an object such as `requester` that has a role, from the webhook's `is_staff`, or from the caller.
`plain_body` holds entities such as `&nbsp;`.
"""

from collections.abc import Collection, Iterator, Mapping
from html import unescape

from domain.helpdesk.markup import plain_text
from domain.helpdesk.messages import (
    AGENT,
    CUSTOMER,
    NOTE,
    Body,
    HelpdeskConversation,
    HelpdeskMessage,
    Speaker,
    files_in,
    flag_in,
    keeps,
    moment_in,
    object_in,
    objects_in,
    optional_id,
    required_id,
    text_in,
)

COMMENT_ADDED = "zen:event-type:ticket.comment_added"
SUBJECT = "zen:ticket:"
PEOPLE = ("requester", "submitter", "assignee", "author")
VOICE = "voice call"
WHO = "author_id is nobody's of whom anything says whether they are an agent: no users with roles, no named agents"
Roles = Mapping[str, Speaker]


def conversations_in(
    body: Body, *, users: Roles | None = None, agents: Collection[str] = ()
) -> list[HelpdeskConversation]:
    """The tickets of a body with those of their comments that it holds.

    `body` is a webhook of an event, a ticket with `comments`, the API's answer `{"ticket", "comments", "users"}`, or
    a comment with a `ticket_id`. `users` are roles by id that were said elsewhere. Where `agents` are named, whoever
    is neither among them nor among the users is a customer. Empty for another event than a new comment.
    Raises ValueError.
    """
    if "event" in body and "detail" in body:
        return _from_event(body) if body.get("type") == COMMENT_ADDED else []
    known = {**(users or {}), **roles_in(body), **dict.fromkeys(agents, AGENT)}
    found = [_ticket(body, known, is_closed=bool(agents))]
    return [each for each in found if each.messages or each.left_out]


def roles_in(body: Body) -> dict[str, Speaker]:
    """Who is customer or agent, as far as a body says it of people by id."""
    return {
        required_id(person, "id"): CUSTOMER if person["role"] == "end-user" else AGENT
        for person in _people(body)
        if isinstance(person.get("role"), str) and person.get("id") is not None
    }


def _people(body: Body) -> Iterator[Body]:
    yield from objects_in(body, "users")
    for holder in (body, object_in(body, "ticket"), *_comments(body)):
        for name in PEOPLE:
            if isinstance(holder.get(name), Mapping):
                yield holder[name]


def _comments(body: Body) -> list[Body]:
    holder = object_in(body, "ticket") if "comments" not in body else body
    return list(objects_in(holder, "comments"))


def _ticket(body: Body, roles: Roles, *, is_closed: bool) -> HelpdeskConversation:
    if "comments" in body or "comments" in object_in(body, "ticket"):
        ticket = object_in(body, "ticket") or body
        name = "id" if "ticket" in body or "ticket_id" not in body else "ticket_id"
        conversation = HelpdeskConversation(required_id(ticket, name))
        comments = _comments(body)
    else:
        conversation = HelpdeskConversation(required_id(body, "ticket_id"))
        comments = [body]
    for comment in comments:
        _add(conversation, comment, roles, is_closed=is_closed)
    return conversation


def _add(conversation: HelpdeskConversation, comment: Body, roles: Roles, *, is_closed: bool) -> None:
    if not flag_in(comment, "public"):
        conversation.left_out[NOTE] += 1
    elif comment.get("type") == "VoiceComment":
        conversation.left_out[VOICE] += 1
    elif keeps(conversation, text := _text(comment), files_in(comment)):
        author = required_id(comment, "author_id")
        role = roles.get(author, CUSTOMER if is_closed else None)
        if role is None:
            raise ValueError(WHO)
        said_at = moment_in(comment, "created_at")
        conversation.messages.append(HelpdeskMessage(required_id(comment, "id"), author, role, text, said_at))


def _text(comment: Body) -> str:
    if plain := text_in(comment, "plain_body"):
        return unescape(plain)
    return text_in(comment, "body") or plain_text(text_in(comment, "html_body"))


def _from_event(body: Body) -> list[HelpdeskConversation]:
    comment = object_in(object_in(body, "event"), "comment")
    conversation = HelpdeskConversation(_ticket_of(body))
    if not flag_in(comment, "is_public"):
        conversation.left_out[NOTE] += 1
    elif keeps(conversation, text_in(comment, "body"), 0):
        conversation.messages.append(_from_comment(comment, body))
    return [conversation]


def _from_comment(comment: Body, body: Body) -> HelpdeskMessage:
    author = object_in(comment, "author")
    return HelpdeskMessage(
        id=required_id(comment, "id"),
        author=optional_id(author, "id"),
        role=AGENT if flag_in(author, "is_staff") else CUSTOMER,
        text=text_in(comment, "body"),
        said_at=moment_in(body, "time"),
    )


def _ticket_of(body: Body) -> str:
    subject = text_in(body, "subject")
    inside = subject.removeprefix(SUBJECT) if subject.startswith(SUBJECT) else ""
    return optional_id(object_in(body, "detail"), "id") or inside or required_id(body, "detail.id")
