"""What people are told who arrive after a key was set."""

import pytest
from streamlit.testing.v1 import AppTest


def _page(analyzer: str, usd: float | None) -> None:
    # Streamlit runs the source of this function by itself.
    from client.answers import Health, Offer
    from dashboard import offered

    offer = Offer(conversations=1_379, analyzer="grok", model="grok-4.3", usd=usd)
    offered.show(Health.model_construct(analyzer=analyzer, offer=offer))


@pytest.mark.parametrize(
    ("analyzer", "usd", "said"),
    [
        ("grok", 0.36, "1,379 conversations analysed offline; Grok would cost about \\$0.36."),
        ("grok", None, "1,379 conversations analysed offline."),
        ("offline", 0.36, None),
    ],
)
def test_the_offer_has_its_price_and_waits_for_a_key(
    analyzer: str, usd: float | None, said: str | None
) -> None:
    page = AppTest.from_function(_page, args=(analyzer, usd)).run()

    assert not page.exception
    shown = [each.value for each in page.info]
    assert shown == [] if said is None else shown[0].startswith(said)
