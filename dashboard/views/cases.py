"""Open cases: conversations by how they ended, as their summaries say, and a way to have more of them summarised."""

from collections.abc import Mapping, Sequence

import streamlit as st

from client import calls
from client.answers import CasesPage, Job
from client.calls.people import SummariesFilter
from client.wire import Call
from dashboard import actions, api, cases, charts, filters, pages, people, running, states, text, words
from dashboard.address import Address, Window
from dashboard.api import Problem
from dashboard.text import Row

LIMIT = 100
WATCH = 1.0
"""Seconds between two looks at a job."""
COLUMNS = {
    "age": st.column_config.DatetimeColumn("Age", format="distance", pinned=True),
    "summary": st.column_config.TextColumn("Summary", width="large"),
    "outcome": st.column_config.TextColumn("Outcome"),
    "questions": st.column_config.NumberColumn("Open questions"),
    "to do": st.column_config.NumberColumn("To do"),
    "topics": st.column_config.TextColumn("Topics"),
    "customers": st.column_config.TextColumn("Customer"),
    "agents": st.column_config.TextColumn("Agent"),
    "when": st.column_config.DatetimeColumn("Said (UTC)", format="YYYY-MM-DD HH:mm"),
    "stale": st.column_config.CheckboxColumn("Old", help="Messages came since the summary was written"),
    "analyzer": st.column_config.TextColumn("Analyzer", help="What comes from `offline` is right less often"),
}
COUNTED = {
    "name": st.column_config.TextColumn("Name", pinned=True),
    "n": st.column_config.NumberColumn("n", format="localized"),
}


def show() -> None:
    """The page."""
    st.title("Open cases", anchor=False)
    actions.outcome()
    address = Address.current()
    window = filters.window(address)
    if window is None:
        return
    # Before the list, so that a job that has ended is never beside a list that lacks what it wrote.
    job = api.fresh(calls.job(address.job)) if address.job else None
    found, topics = api.read(_asked(address, window), calls.all_topics_page(limit=1_000))
    _filters(address, [] if isinstance(topics, Problem) else [each.slug for each in topics.topics])
    if isinstance(found, Problem):
        states.explain(found)
    else:
        _found(found, address, window)
    _more(job, address, window)


def _asked(address: Address, window: Window) -> Call[CasesPage]:
    return calls.summaries_page(
        outcome=None if address.outcome == "all" else address.outcome,
        has_open_questions=True if address.questions == "open" else None,
        cluster=address.topic,
        person=address.person,
        start_time=window.start,
        end_time=window.end,
        limit=LIMIT,
        cursor=address.cursor,
    )


def _filters(address: Address, topics: list[str]) -> None:
    first, second, third, fourth = st.columns(4)
    with first:
        filters.one_of("Outcome", "outcome", address, cases.OUTCOMES)
    with second:
        filters.one_of("Questions", "questions", address, cases.QUESTIONS)
    with third:
        filters.topic(address, topics)
    with fourth:
        filters.typed("Customer or agent", "person", address)


def _found(found: CasesPage, address: Address, window: Window) -> None:
    text.say(cases.sentence(found.counts), key="large-headline")
    if not found.summaries:
        states.empty(
            "There is no such case. Choose another outcome, move the window, or have more summarised."
        )
        return
    with st.container(horizontal=True, gap="large"):
        _figures(found.counts)
    _listed(found, address, window)
    _counts(found, address)


def _figures(counts: Mapping[str, int]) -> None:
    st.metric("Open", words.percent(cases.share(counts, "maybe")), width="content")
    st.metric("Solved", words.percent(cases.share(counts, "yes")), width="content")
    st.metric("Over, not solved", words.percent(cases.share(counts, "no")), width="content")
    st.metric("Cases, n", words.count(sum(counts.values())), width="content")


def _listed(found: CasesPage, address: Address, window: Window) -> None:
    st.caption("The newest first. A row opens its conversation.")
    ids = [each.conversation_id for each in found.summaries]
    rows = cases.rows(found.summaries)
    chosen = text.choosable(rows, COLUMNS, alt=TABLE, key="cases", ids=ids, marked=address.id)
    if chosen is not None:
        pages.go(pages.CONVERSATION, address.within(window).but(id=chosen, page=1))
    if found.next_cursor:
        onward = address.within(window).but(cursor=found.next_cursor, id=None)
        st.button("Next page", icon=":material/arrow_forward:", on_click=onward.write)


def _counts(found: CasesPage, address: Address) -> None:
    st.header("What they are about, and whose they are", anchor=False)
    number = len(found.summaries)
    st.caption(
        f"{words.n(number)}: the cases of the table above, whatever the confidence. A row shows its cases."
    )
    has_bars = not charts.too_few(number)
    topics, agents = st.columns(2)
    with topics:
        _group(cases.by_topic(found.summaries), address, "topic", "Topics of these cases", has_bars=has_bars)
    with agents:
        _group(cases.by_agent(found.summaries), address, "person", "Agents of these cases", has_bars=has_bars)
    share = address.only("first", "last").but(role="support_agent", order="-open_cases")
    st.page_link(
        pages.WHO.path,
        label="The open share of each agent",
        icon=pages.WHO.icon,
        query_params=share.parameters,
    )


def _group(rows: Sequence[Row], address: Address, name: str, alt: str, *, has_bars: bool) -> None:
    marked = getattr(address, name)
    clicked = None
    if has_bars:
        clicked = charts.changes(
            rows[: cases.SHOWN],
            name="name",
            value="n",
            id_="id",
            key=f"{name}-{address.outcome}-{address.questions}-{address.topic}-{hash(address.person)}",
            alt_text=alt,
            of="Name",
            title="Cases",
        )
    ids = [str(row["id"]) for row in rows]
    chosen = clicked or text.choosable(rows, COUNTED, alt=alt, key=name, ids=ids, marked=marked)
    if chosen is not None and chosen != marked:
        address.but(**{name: chosen, "cursor": None}).write()
        st.rerun()


def _more(job: Job | Problem | None, address: Address, window: Window) -> None:
    """The way to more summaries, for those who may have them written: the price, the word, and how far they are."""
    who = people.here()
    if who is None or not who.may("agent"):
        return
    st.header("Conversations without a summary", anchor=False)
    if job is not None:
        _watched(job, address)
    elif address.step == "price":
        _priced(address, window)
    else:
        st.write(
            "Only conversations with a summary are cases. The others can be summarised, once the price is known."
        )
        st.button(
            "What would it cost to summarise the others?",
            icon=":material/payments:",
            on_click=address.within(window).but(step="price").write,
        )


def _chosen(address: Address) -> SummariesFilter:
    return SummariesFilter(cluster=address.topic) if address.topic else SummariesFilter()


def _priced(address: Address, window: Window) -> None:
    found = api.read(calls.estimate_summaries(window.start, window.end, _chosen(address)))
    if isinstance(found, Problem):
        states.explain(found)
        return
    text.say(cases.price(found))
    st.caption(OF_TOPIC if address.topic else OF_ALL)
    if not found.conversations:
        return
    with st.container(horizontal=True):
        st.button("Summarise them", on_click=_begin, args=(address, window))
        st.button("No", on_click=address.but(step=None).write)


def _begin(address: Address, window: Window) -> None:
    started = api.change(calls.summarize_many(window.start, window.end, _chosen(address)))
    if isinstance(started, Problem):
        actions.note(started)
        return
    address.but(step=None, job=started.id).write()


def _watched(job: Job | Problem, address: Address) -> None:
    if isinstance(job, Problem):
        states.explain(job)
        return
    if not job.has_ended:
        api.forget()  # whatever is drawn next, the list above is asked for anew
        _running(job.id)
        return
    text.say(cases.standing(job))
    if job.error:
        text.say(job.error)
    st.button("Close", on_click=address.but(job=None).write)


@st.fragment(run_every=WATCH)
def _running(id_: str) -> None:
    job = api.fresh(calls.job(id_))
    if isinstance(job, Problem):
        states.explain(job)
        return
    if job.has_ended:
        st.rerun()
    st.progress(running.share(job))
    text.say(cases.standing(job))


TABLE = "Cases that the filters let through"
OF_ALL = "Those of the window above, whatever the other filters say."
OF_TOPIC = "Those of the window and the topic above, whatever the other filters say."

if __name__ == "__main__":
    show()
