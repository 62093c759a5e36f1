"""Groups of conversations that might be topics, as rows and as sentences: no drawing, no calls."""

from collections.abc import Sequence

from client.answers import ListedInsight, Proposal
from dashboard import words
from dashboard.text import Row

PREVIEW = 300


def proposal_rows(proposals: Sequence[Proposal]) -> list[Row]:
    """A row for each group, in their order."""
    return [
        {
            "name": each.name,
            "size": each.size,
            "people": each.people,
            "before": each.growth.people_before,
            "likely": likelihood(each),
            "words": ", ".join(each.words),
            "example": each.examples[0].text[:PREVIEW] if each.examples else "",
            "language": each.language or "",
            "first": each.first_seen,
            "last": each.last_seen,
        }
        for each in proposals
    ]


def likelihood(proposal: Proposal) -> str:
    """Whether it has grown by more than chance, in our own words."""
    if proposal.growth.is_significant:
        return "a rise"
    return "perhaps" if proposal.growth.p < 0.05 else "chance"


def growth_of(proposal: Proposal) -> str:
    """How many people there are, and were, in a sentence."""
    grown = proposal.growth
    opening = (
        f"{grown.people:,} people wrote about it in the window, {grown.people_before:,} in the one before."
    )
    if grown.is_significant:
        return f"{opening} By chance alone this happens in {words.odds(grown.p)} windows."
    return f"{opening} Chance explains that."


def proposal_facts(proposal: Proposal) -> list[Row]:
    """What is known of a group."""
    said = {
        "Means": proposal.description or "",
        "Words": ", ".join(proposal.words),
        "Named by": proposal.named_by or "its words",
        "Language": proposal.language or "",
        "Slug": proposal.slug,
        "State": proposal.state,
        "Decided by": proposal.decided_by or "",
    }
    return [{"what": what, "found": found or words.UNKNOWN} for what, found in said.items()]


def member_rows(insights: Sequence[ListedInsight]) -> list[Row]:
    """A row for each conversation of a group, in their order."""
    return [
        {
            "when": each.timestamp,
            "text": " ".join(each.text[:PREVIEW].split()),
            "sentiment": each.sentiment,
            "score": each.grok_analysis.sentiment_score,
            "topics": ", ".join(each.grok_analysis.clusters),
        }
        for each in insights
    ]
