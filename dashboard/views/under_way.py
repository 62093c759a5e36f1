"""Jobs that are under way, on the pages where they are begun: how far each is, until it has ended."""

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from client import calls
from client.answers import Job, JobsPage
from client.wire import Call
from dashboard import actions, api, running, words
from dashboard.api import Problem
from dashboard.running import KINDS

SECONDS = 1.0
"""Between two looks."""
LATEST = 50


def asked() -> Call[JobsPage]:
    """The call that `follow` goes on from."""
    return calls.jobs_page(limit=LATEST)


def follow(found: JobsPage | Problem, kinds: frozenset[str] | None) -> bool:
    """Show the jobs of these kinds, or of all, that have not ended, until one has. Whether there are any."""
    if isinstance(found, Problem):
        return False
    open_ = running.unfinished(found.jobs, kinds)
    begun = actions.begun()
    for job in found.jobs:
        # What is small has ended before the page could look.
        if job.id == begun and job.has_ended:
            _note(job)
            actions.outcome()
    if open_:
        _moving(open_, kinds)
    return bool(open_)


def _moving(before: Sequence[Job], kinds: frozenset[str] | None) -> None:
    first = [before]

    @st.fragment(run_every=SECONDS)
    def moving() -> None:
        # The page has just asked; after that, each time it is due.
        _bars(first.pop() if first else _look(before, kinds))

    moving()


def _look(before: Sequence[Job], kinds: frozenset[str] | None) -> Sequence[Job]:
    found = api.fresh(asked())
    if isinstance(found, Problem):
        return before
    open_ = running.unfinished(found.jobs, kinds)
    ended = {each.id for each in before} - {each.id for each in open_}
    if ended:
        _tell(next((each for each in found.jobs if each.id in ended), before[0]))
    return open_


def _tell(job: Job) -> NoReturn:
    _note(job)
    api.forget()
    st.rerun()


def _note(job: Job) -> None:
    failed = job.status == "failed"
    actions.note(Problem("failed", job.error or "") if failed else job.status)


def _bars(jobs: Sequence[Job]) -> None:
    for job in jobs:
        kind = running.kind_of(job)
        st.progress(running.share(job), text=f"{KINDS[kind]}: {words.part(job.done, job.total)}")
