"""The long job that files the conversations of an accepted group under its topic."""

from bisect import bisect_right
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from core.errors import JobFailed
from domain.packed_numbers import unpacked
from store.discovery import acceptance, proposals
from store.discovery.asking import ACCEPTANCE
from store.queue.long_jobs import Progress
from worker.jobs.running import LongJobKind, RunningJob


async def run(job: RunningJob) -> None:
    """File a few conversations in each step; what was filed is known by the number of the last one."""
    read = partial(proposals.get, id_=job.parameters["proposal"])
    group = await job.database.read_in_background(read)
    if group is None or group.topic is None:
        raise JobFailed("the proposal is gone")
    members = unpacked(group.members)
    while True:
        after = (job.progress.state or {}).get("after", 0)
        first = bisect_right(members, after)
        some = members[first : first + acceptance.AT_ONCE]
        if not some:
            return
        done = Progress({"after": some[-1]}, first + len(some), len(members))
        await job.step(partial(_file, job, some, group.topic, done))


def _file(
    job: RunningJob, numbers: list[int], topic: int, done: Progress, connection: Connection
) -> Progress:
    now = job.clock.now(connection)
    analyzer = job.parameters["analyzer"]
    filed = acceptance.file_some(connection, numbers, topic, now=now, analyzer=analyzer)
    return replace(done, conversations=job.progress.conversations + filed)


FILING = LongJobKind(ACCEPTANCE, run)
