"""A sender's id is its owner's; what was stored while the service was open is everybody's."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from database import Database
from store.conversations.intake import Accepted, Conflict, IntakeOutcome, NewConversation, accept
from store.conversations.records import ids_by_external_id, list_conversations
from tests.support.insight_data import thorough, tried
from tests.support.rows import new, statuses

A, B = b"a" * 32, b"b" * 32
OWNERS = ("", "ann", "bob")


class Model:
    """What should happen, post by post."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], tuple[str, bytes]] = {}

    def accept(self, post: NewConversation) -> IntakeOutcome:
        name = "external_id" if post.external_id else "idempotency_key"
        value = post.external_id or post.idempotency_key or ""
        own, shared = ((name, value, owner) for owner in (post.owner, ""))
        found = self.known.get(own) or self.known.get(shared)
        if found is None:
            self.known[own] = post.id, post.content_hash or b""
            return Accepted(post.id, created=True)
        id_, content = found
        return Accepted(id_, created=False) if content == post.content_hash else Conflict(id_)


posts = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from(["external_id", "idempotency_key"]),
    st.integers(0, 1),
    st.sampled_from([A, B]),
)


@thorough
@given(groups=st.lists(st.lists(posts, min_size=1, max_size=6), min_size=1, max_size=4))
async def test_each_post_is_answered_as_the_model_says(
    db: Database, groups: list[list[tuple[str, str, int, bytes]]]
) -> None:
    def play(connection: Connection) -> None:
        model, numbers = Model(), count()
        for group in groups:
            rows = [
                new(f"c{next(numbers)}", content_hash=content, owner=owner, **{name: f"e{value}"})
                for owner, name, value, content in group
            ]
            assert accept(connection, rows) == [model.accept(each) for each in rows]
        assert {*statuses(connection)} == {id_ for id_, _ in model.known.values()}

    await tried(db, play)


async def test_both_ids_of_one_post_are_looked_up_for_the_owner_and_for_everybody(db: Database) -> None:
    def play(connection: Connection) -> None:
        shared = new("shared", external_id="e", content_hash=A)
        own = new("own", idempotency_key="k", content_hash=A, owner="ann")
        accept(connection, [shared])
        accept(connection, [own])
        both = new("both", external_id="e", idempotency_key="k", content_hash=A, owner="ann")
        assert accept(connection, [both]) == [Conflict("shared", ("external_id", "idempotency_key"), True)]
        # For somebody else the key is a new one, and the external id is known.
        assert accept(connection, [both._replace(owner="bob")]) == [Accepted("shared", created=False)]

    await tried(db, play)


async def test_two_owners_rows_of_one_group_are_told_apart(db: Database) -> None:
    def play(connection: Connection) -> None:
        accept(connection, [new("before", external_id="e", content_hash=A, owner="ann")])
        same = [new("x", external_id="e", content_hash=A, owner=owner) for owner in ("ann", "bob")]

        # The first has two ids by now that belong to two conversations; it was not the one that was stored.
        assert accept(connection, same) == [Conflict("x"), Accepted("x", True)]

    await tried(db, play)


async def test_a_list_by_external_id_shows_every_owners(db: Database) -> None:
    def play(connection: Connection) -> None:
        accept(
            connection,
            [new(f"of-{owner}", external_id="e", content_hash=A, owner=owner) for owner in ("ann", "bob")],
        )
        listed = list_conversations(connection, limit=9, external_id="e")

        assert [row.id for row in listed] == ["of-bob", "of-ann"]
        assert ids_by_external_id(connection, "e", limit=9) == ["of-bob", "of-ann"]
        assert ids_by_external_id(connection, "e", limit=1) == ["of-bob"]
        assert not ids_by_external_id(connection, "x", limit=9)

    await tried(db, play)
