"""Asks for discovery: one job at a time for each filter, and one by itself each day."""

import hashlib
import json
from dataclasses import asdict

from sqlalchemy import Connection

from core.clock import SECOND
from store.discovery import proposals
from store.discovery.texts import GroupedBy
from store.queue import long_jobs

DISCOVERY, ACCEPTANCE = "discovery", "proposal_acceptance"
"""Kinds of long jobs."""
EVERYTHING = "all"
"""The scope of runs without a filter."""
DAY = 86_400 * SECOND
WEEK = 7 * DAY
BY_ITSELF = "service"
"""Who asks for what is done by itself."""


def scope_of(chosen: GroupedBy) -> str:
    """By what the runs with this filter are known."""
    given = {name: value for name, value in asdict(chosen).items() if value is not None}
    return (
        hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:32] if given else EVERYTHING
    )


def ask_for(connection: Connection, window: tuple[int, int], chosen: GroupedBy, *, by: str, now: int) -> str:
    """Queue a run over a window, the end excluded; gives the job's id."""
    start, end = window
    parameters = {"start": start, "end": end, "filter": asdict(chosen)}
    return long_jobs.create(connection, DISCOVERY, parameters, by=by, now=now)


def ask_daily(connection: Connection, *, now: int) -> str | None:
    """Queue a run over the last week if the last one is a day ago and none is under way; gives the job's id."""
    last = proposals.last_run(connection, EVERYTHING)
    if last is not None and now - last < DAY:
        return None
    if long_jobs.open_job(connection, (DISCOVERY,)) is not None:
        return None
    return ask_for(connection, (now - WEEK, now), GroupedBy(), by=BY_ITSELF, now=now)


def file_conversations(
    connection: Connection, proposal: str, *, by: str, now: int, analyzer: str | None = None
) -> str:
    """Queue the job that files the conversations of an accepted group, or those that an analyzer has analysed."""
    parameters = {"proposal": proposal, "analyzer": analyzer}
    return long_jobs.create(connection, ACCEPTANCE, parameters, by=by, now=now)
