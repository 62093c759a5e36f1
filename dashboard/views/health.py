"""Health and money: how the service is, what it spends, what waits costs, and its jobs."""

import streamlit as st

from client import calls
from client.answers import Estimate, Health, InsightsPage, JobsPage, Spending
from dashboard import actions, api, charts, operation, running, states, text, words
from dashboard.api import Problem
from dashboard.running import KINDS
from dashboard.views import batches, under_way

DAYS = 30
SECONDS = 5.0
"""Between two looks at the queue."""
FACTS = {
    "what": st.column_config.TextColumn("What", width=130),
    "found": st.column_config.TextColumn("Found", width="large"),
}
SPENT = {
    "day": st.column_config.TextColumn("Day (UTC)", pinned=True),
    "usd": st.column_config.NumberColumn("Dollars", format="$%.4f"),
    "summaries": st.column_config.NumberColumn("Of it summaries", format="$%.4f"),
    "batches": st.column_config.NumberColumn("Of it batches", format="$%.4f"),
    "reserved": st.column_config.NumberColumn(
        "Reserved", help="For calls without an answer yet", format="$%.4f"
    ),
    "calls": st.column_config.NumberColumn("Calls", format="localized"),
    "analysed": st.column_config.NumberColumn("Analysed", help="By calls", format="localized"),
    "cached": st.column_config.NumberColumn("From the cache", format="localized"),
    "skipped": st.column_config.NumberColumn("Skipped", help="Too little in them", format="localized"),
    "tokens": st.column_config.NumberColumn("Tokens", format="localized"),
    "saved": st.column_config.NumberColumn(
        "Saved", help="By cache, prefilter and packing; estimated", format="$%.4f"
    ),
    "unpriced": st.column_config.NumberColumn("Calls of unknown price", format="localized"),
}
JOBS = {
    "kind": st.column_config.TextColumn("Job", pinned=True),
    "status": st.column_config.TextColumn("Status"),
    "done": st.column_config.NumberColumn("Done", format="localized"),
    "total": st.column_config.NumberColumn("Of", format="localized"),
    "usd": st.column_config.NumberColumn("Dollars", format="$%.4f"),
    "by": st.column_config.TextColumn("By"),
    "from": st.column_config.DatetimeColumn("Begun (UTC)", format="YYYY-MM-DD HH:mm"),
    "to": st.column_config.DatetimeColumn("Ended (UTC)", format="YYYY-MM-DD HH:mm"),
    "why": st.column_config.TextColumn("Error", width="large"),
}
PAUSING = "No call goes out until somebody resumes analysis, over a restart too. Intake goes on."
CANCELLING = "It ends for good. What it has done stays."


def show() -> None:
    """The page."""
    st.title("Health and money", anchor=False)
    actions.outcome()
    _, health = api.here()
    spending, estimate, jobs, newest = api.read(
        calls.spending(days=DAYS),
        calls.estimate(),
        under_way.asked(),
        calls.recent_insights(limit=1),
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _health(health, newest)
    with right:
        _waiting(estimate)
        _switch(health)
    _spending(spending)
    _jobs(jobs)


def _health(health: Health | Problem, newest: InsightsPage | Problem) -> None:
    st.header("Health", anchor=False)
    if isinstance(health, Problem):
        states.explain(health)
        return
    unshown = [health]

    @st.fragment(run_every=SECONDS)
    def current() -> None:
        # The page has just asked; after that, each time it is due. One answer fewer is no reason to blank the page.
        found = unshown.pop() if unshown else api.fresh(calls.health())
        _now(health if isinstance(found, Problem) else found)

    current()
    made = None if isinstance(newest, Problem) or not newest.insights else newest.insights[0].analysed_at
    text.table(operation.health_facts(health, made), FACTS, alt="How the service is")
    batches.each(health)


def _now(health: Health) -> None:
    if health.status == "ok":
        st.success("All is well.", icon=":material/check_circle:")
    elif health.status == "degraded":
        st.warning("Analysis does not go on. Intake does.", icon=":material/warning:")
    else:
        st.error("The database does not answer. Nothing can be taken in.", icon=":material/error:")
    for reason in health.reasons:
        text.say(f"• {reason}")
    st.metric("Conversations that wait", words.count(health.queue_size))
    if health.queue_size:
        st.caption(f"The oldest has waited for {words.duration(health.oldest_queued_seconds)}.")
    if health.queue_size and health.drain_seconds is not None:
        st.caption(f"They will be done in {words.duration(health.drain_seconds)}.")
    if health.summary_queue_size:
        st.caption(f"{words.count(health.summary_queue_size)} summaries wait too.")
    batches.progress(health)


def _waiting(estimate: Estimate | Problem) -> None:
    st.header("What waits", anchor=False)
    if isinstance(estimate, Problem):
        states.explain(estimate)
        return
    text.say(operation.estimate_of(estimate))
    text.say(f"Based on: {estimate.based_on}", key="small-based-on")


def _switch(health: Health | Problem) -> None:
    st.header("Analysis", anchor=False)
    if isinstance(health, Problem) or not actions.may("admin"):
        return
    if operation.is_paused(health):
        st.write("Somebody has paused it.")
        if st.button("Resume analysis", type="primary", icon=":material/play_arrow:"):
            actions.carry_out(calls.resume_analysis(), "resumed")
    elif actions.confirmed("Pause analysis", "Pause it now", PAUSING, key="pause"):
        actions.carry_out(calls.pause_analysis(), "paused")


def _spending(spending: Spending | Problem) -> None:
    st.header("Money", anchor=False)
    if isinstance(spending, Problem):
        states.explain(spending)
        return
    share = operation.spent_share(spending)
    if share is None:
        st.caption("There is no daily budget.")
    else:
        left, daily = spending.budget.left_today_usd or 0.0, spending.budget.daily_usd or 0.0
        # No text has two dollar signs: what is between them would be drawn as a formula.
        st.caption(f"Daily budget: {words.dollars(daily)}")
        st.progress(share, text=f"{words.dollars(left)} left today")
    total = spending.total
    st.caption(
        f"{words.days(DAYS)}: {words.dollars(total.usd)} for {words.count(total.calls)} calls, "
        f"{words.n(total.analysed)} conversations analysed by them. Days without any are left out."
    )
    rows = operation.spending_rows(spending)
    if not rows:
        states.empty("Nothing was analysed in these days.")
        return
    if operation.has_cost(rows):
        charts.spending(operation.parts(spending), spending.budget.daily_usd, key="spending", alt_text=CHART)
    text.table(rows, SPENT, alt="Calls, tokens and dollars by day, the newest first")


CHART = "Bars: dollars by day for insights, batches and summaries, and the daily budget; the table below has the same"


def _jobs(jobs: JobsPage | Problem) -> None:
    st.header("Jobs", anchor=False)
    if isinstance(jobs, Problem):
        states.explain(jobs)
        return
    under_way.follow(jobs, None)
    _steer(jobs)
    if not jobs.jobs:
        states.empty("There has been none. Merging topics, looking for new ones and bulk summaries are jobs.")
        return
    text.table(running.job_rows(jobs.jobs), JOBS, alt="Jobs, the newest first")


def _steer(jobs: JobsPage) -> None:
    open_ = running.unfinished(jobs.jobs)
    if not open_ or not actions.may("agent"):
        return
    for job in open_:
        with st.container(horizontal=True, vertical_alignment="center"):
            kind = running.kind_of(job)
            st.caption(f"{KINDS[kind]}, since {words.moment(job.created_at)}")
            if job.status == "paused":
                if st.button("Go on", key=f"resume-{job.id}"):
                    actions.carry_out(calls.resume_job(job.id), "job resumed", is_steering=True)
            elif st.button("Stop for now", key=f"pause-{job.id}"):
                actions.carry_out(calls.pause_job(job.id), "job paused", is_steering=True)
            if actions.confirmed("End it", "End it for good", CANCELLING, key=f"cancel-{job.id}"):
                actions.carry_out(calls.cancel_job(job.id), "cancelled", is_steering=True)


if __name__ == "__main__":
    show()
