"""Cases, which are conversations with their summaries, as rows and as a sentence: no drawing, no calls."""

from collections import Counter
from collections.abc import Mapping, Sequence

from client.answers import Case, Job, SummariesEstimate
from dashboard import words
from dashboard.address import Outcome
from dashboard.text import Row

OUTCOMES: Mapping[Outcome, str] = {
    "maybe": "open",
    "no": "over, and not solved",
    "yes": "solved",
    "curious": "only asked for something",
    "all": "any",
}
QUESTIONS: Mapping[str, str] = {"any": "any", "open": "with a question that is not answered"}
SHOWN = 10


def sentence(counts: Mapping[str, int]) -> str:
    """How many cases are open; true for every reader who recounts it."""
    total, open_ = sum(counts.values()), counts.get("maybe", 0)
    if not total:
        return "No conversation of this window that the filters let through has a summary."
    verb = "is" if open_ == 1 else "are"
    return f"{open_:,} of {total:,} cases {verb} open ({words.percent(open_ / total)})."


def share(counts: Mapping[str, int], of: str) -> float | None:
    """The share of an outcome, if there is any summary."""
    total = sum(counts.values())
    return counts.get(of, 0) / total if total else None


def rows(cases: Sequence[Case]) -> list[Row]:
    """A row for each case."""
    return [
        {
            "age": each.timestamp,
            "summary": each.summary,
            "outcome": outcome(each.outcome),
            "questions": sum(not question.answered for question in each.questions),
            "to do": len(each.action_items),
            "topics": ", ".join(each.topics),
            "customers": _names(each, "customer"),
            "agents": _names(each, "support_agent"),
            "when": each.timestamp,
            "stale": each.stale,
            "analyzer": each.analyzer,
        }
        for each in cases
    ]


def outcome(name: str) -> str:
    """What an outcome is called on the pages."""
    return {str(key): word for key, word in OUTCOMES.items()}.get(name, name)


def _names(case: Case, role: str) -> str:
    return ", ".join(each.id for each in case.participants if role in each.roles)


def by_topic(cases: Sequence[Case]) -> list[Row]:
    """How many of these cases have each topic, the most first."""
    return _counted(Counter(topic for each in cases for topic in set(each.topics)))


def by_agent(cases: Sequence[Case]) -> list[Row]:
    """How many of these cases each agent wrote in, the most first."""
    return _counted(
        Counter(
            person.id for each in cases for person in each.participants if "support_agent" in person.roles
        )
    )


def _counted(counter: Counter[str]) -> list[Row]:
    ordered = sorted(counter.items(), key=lambda each: (-each[1], each[0]))
    return [{"id": name, "name": name, "n": count} for name, count in ordered]


def price(found: SummariesEstimate) -> str:
    """What it takes to summarise the rest."""
    if not found.conversations:
        return "Every analysed conversation that this is about has a summary."
    verb = "has" if found.conversations == 1 else "have"
    opening = f"{words.conversations(found.conversations)} {verb} no summary."
    if not found.usd:
        return f"{opening} To write them costs nothing."
    money, time = words.dollars(found.usd), words.duration(found.seconds)
    return f"{opening} To write them costs about {money}, and takes about {time}."


def standing(job: Job) -> str:
    """How far a job has come."""
    return f"{JOBS[job.status]}: {words.part(job.done, job.total)} written, for {words.dollars(job.usd)}."


JOBS = {
    "queued": "Waiting for its turn",
    "running": "Running",
    "paused": "Paused",
    "completed": "Done",
    "capped": "Stopped at its limit of money",
    "cancelled": "Cancelled",
    "failed": "Failed",
}
