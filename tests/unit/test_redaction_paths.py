"""Nobody goes around redaction: how a text gets into the database, and how it gets to a model, is one way each.

The types do most of it (`make types`): rows are made of a `Received`, which only `services/redaction.py` makes, and an
`Excerpt` or a `Message` takes a `Show`. These tests hold what the types cannot.
"""

import ast
import inspect
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import domain.text
import services.chats
import services.intake
from services.redaction import Received
from store.queue import summaries
from tests.support import product
from worker.outcomes import Policy

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "worker", "services", "llm", "store", "domain", "core")
SOURCES = sorted([*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))])
PROGRAMS = {"demo.py", "ingest_data.py", "load_test.py"}


@cache
def nodes() -> Sequence[tuple[str, ast.Call | ast.Attribute]]:
    """The calls and attributes in each file. To walk through all files takes a second, so it is done once."""
    return [
        (path.relative_to(ROOT).as_posix(), node)
        for path in SOURCES
        if path.name not in PROGRAMS
        for node in product.nodes(path)
        if isinstance(node, ast.Call | ast.Attribute)
    ]


def callers_of(*names: str) -> set[str]:
    """The files that call a function or a class by one of these names."""
    return {
        file
        for file, node in nodes()
        if isinstance(node, ast.Call)
        if (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) in names
    }


def writers_to(*tables: str) -> set[str]:
    """The files that insert into one of these tables: `insert(messages)` and `insert_on_conflict(..., messages)`."""
    return {
        file
        for file, node in nodes()
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("insert")
        if any(isinstance(argument, ast.Name) and argument.id in tables for argument in node.args)
    }


# --- into the database --------------------------------------------------------------------------------------


def test_only_the_choke_point_makes_what_rows_are_made_of() -> None:
    assert callers_of("Received") == {"services/redaction.py"}


def test_rows_are_made_of_nothing_else() -> None:
    # The store makes a message of a row it has read, and one of random digits to try whether the disk is full.
    own = {"store/conversations/chats.py", "store/conversations/storage.py"}
    assert callers_of("NewMessage", "NewConversation") == own | {"services/intake.py", "services/chats.py"}
    assert callers_of("PostedMessage") == {"services/chats.py"}

    assert Received.__name__ in str(inspect.signature(services.intake.prepare).parameters["received"])
    posted = inspect.signature(services.chats.Chats._posted)
    assert Received.__name__ in str(posted.parameters["received"])


def test_texts_are_written_by_the_store_of_conversations_only() -> None:
    assert writers_to("messages", "conversations") == {
        "store/conversations/intake.py",
        "store/conversations/growth.py",
    }


def test_every_door_leads_to_the_two_services_behind_the_choke_point() -> None:
    """Whoever adds a door (a webhook, an importer) adds it here, and calls one of these."""
    assert callers_of("accept_all") | callers_of("add_messages") <= {
        "api/routes/intake.py",
        "api/routes/chats.py",
        "api/routes/helpdesks.py",
        "api/routes/sockets.py",
        "services/chats.py",
    }


# --- to a model ---------------------------------------------------------------------------------------------


def test_an_excerpt_cannot_be_made_without_saying_what_is_shown() -> None:
    assert callers_of("Excerpt") == {"domain/text.py"}
    for function in (domain.text.excerpt, domain.text.excerpt_of_turns):
        assert inspect.signature(function).parameters["shown"].default is inspect.Parameter.empty


def test_a_chat_is_not_read_for_a_model_without_saying_what_is_shown() -> None:
    # A route makes one of blanks, to say what a summary may cost.
    assert callers_of("Message") == {"store/queue/summaries.py", "api/routes/bulk_summaries.py"}
    for function in (summaries.conversation_messages, summaries.texts):
        assert inspect.signature(function).parameters["shown"].default is inspect.Parameter.empty


def test_what_is_shown_is_what_redaction_says() -> None:
    assert inspect.signature(Policy).parameters["shown"].default is inspect.Parameter.empty
    made = [
        {word.arg: ast.unparse(word.value) for word in node.keywords}
        for file, node in nodes()
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Policy"
    ]
    assert [each["shown"] for each in made] == ["redaction.shown"]


READERS = {
    "store/conversations/chat_glances.py": "clients",
    "store/conversations/chats.py": "intake, whether a message is known",
    "store/conversations/growth.py": "what is stored and indexed",
    "store/conversations/intake.py": "what is stored",
    "store/conversations/chat_lists.py": "clients",
    "store/discovery/texts.py": "the child process that groups texts; whoever names a group is given `shown`",
    "store/insights/listing.py": "clients",
    "store/conversations/turns.py": "excerpts, which take `shown`",
    "store/queue/drafts.py": "clients; it is what a model writes, not a message",
    "store/queue/summaries.py": "models, by `shown`",
    "store/search/index.py": "the search index",
    "store/search/phrase_search.py": "searches of an encrypted database",
}
"""The files that name the text of a message, and for whom."""


def test_nobody_else_reads_texts_of_messages() -> None:
    """Whoever adds a reader says for whom it reads. One for a model takes `shown`, as `store/queue/summaries.py`."""
    readers = {
        file
        for file, node in nodes()
        if file.startswith("store/") and isinstance(node, ast.Attribute) and node.attr == "text"
    }

    assert readers == READERS.keys()
