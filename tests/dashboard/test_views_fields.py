"""Fields of one's own on a conversation's page, as Streamlit draws them: shown, corrected, taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support import databases
from client import Client
from dashboard.pages import CONVERSATION
from tests.dashboard.pages import opened, said, settings
from tests.support.field_data import FILE
from tests.support.service import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a service that answers fields offline, by words."""
    folder: Path = tmp_path_factory.mktemp("fields")
    (folder / "fields.yaml").write_text(FILE)
    given = {"fields_file": folder / "fields.yaml", "chat_quiet_seconds": 0}
    with (
        serving(databases.sqlite(folder), None, **given) as server,
        settings(server.url),
        Client(server.url) as one,
    ):
        yield one


def analysed(client: Client, text: str) -> str:
    id_ = client.post({"text": text}).conversation_id
    [*client.wait_for_analysis([id_])]
    return id_


def test_answers_are_corrected_by_their_type_and_that_is_taken_back(client: Client) -> None:
    id_ = analysed(client, "My parcel is damaged. I need an answer today, it is urgent.")
    page = opened(CONVERSATION.path, {"id": id_})
    assert "urgency: high" in said(page)

    page.selectbox(f"correct-field-{id_}").select("urgency").run()
    page.selectbox(f"correct-field-{id_}-urgency-high").select("low").run()
    page.button("correct-field-save").click().run()
    assert "urgency: low" in said(page)
    assert "The analyzer answers: \nurgency: high" in said(page)

    page.selectbox(f"correct-field-{id_}").select("refund_amount").run()
    page.text_input(f"correct-field-{id_}-refund_amount-None").input("a lot").run()
    page.button("correct-field-save").click().run()
    assert "fields.refund_amount must be a number" in said(page)
    page.text_input(f"correct-field-{id_}-refund_amount-None").input("19.5").run()
    page.button("correct-field-save").click().run()

    page.selectbox(f"correct-field-{id_}").select("damaged").run()
    page.selectbox(f"correct-field-{id_}-damaged-True").select("false").run()
    page.button("correct-field-save").click().run()
    page.selectbox(f"correct-field-{id_}").select("wishes").run()
    page.multiselect(f"correct-field-{id_}-wishes-None").select("refund").run()
    page.button("correct-field-save").click().run()

    insight = client.conversation(id_).insight
    assert insight is not None
    assert insight.correction is not None
    expected = {"urgency": "low", "refund_amount": 19.5, "damaged": False, "wishes": ["refund"]}
    assert insight.correction.fields == expected
    page.selectbox(f"correct-field-{id_}").select("urgency").run()
    page.button("correct-field-undo").click().run()
    insight = client.conversation(id_).insight
    assert insight is not None
    assert insight.fields is not None
    assert (insight.fields["urgency"], insight.fields["damaged"]) == ("high", False)


def test_a_required_field_cannot_be_said_to_have_no_answer(client: Client) -> None:
    id_ = analysed(client, "My parcel is damaged once more, and nobody says anything.")
    page = opened(CONVERSATION.path, {"id": id_})
    page.selectbox(f"correct-field-{id_}").select("urgency").run()

    assert page.button("correct-field-save").disabled
    assert "how soon the customer needs an answer" in said(page)
