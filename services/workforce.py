"""Who analyses: this process, or others on the database, of which it knows what they last said of themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.role_settings import ProcessRole
from core.supervision import Supervised
from llm.stops import Stop
from services.heartbeat import Heartbeat
from store.queue.heartbeats import Json

NO_WORKER = "no worker process is alive: what is accepted waits in the queue"


@dataclass(frozen=True)
class Workforce:
    """The processors of this process, which an `api` process does not run, and the other processes that analyse.

    `heartbeat` is None on SQLite.
    """

    role: ProcessRole
    processors: Sequence[Supervised]
    heartbeat: Heartbeat | None

    @property
    def own(self) -> Sequence[Supervised]:
        """The processors that this process runs."""
        return self.processors if self.role.works else ()

    @property
    def others(self) -> Sequence[Json]:
        """What the other workers that are alive say of themselves."""
        return [] if self.heartbeat is None else [each.state for each in self.heartbeat.workers]

    @property
    def is_running(self) -> bool:
        """Whether the processors of this process run; of an `api` process, whether any worker's do."""
        if self.role.works:
            return all(each.running for each in self.own)
        return any(state.get("running") for state in self.others)

    @property
    def alive(self) -> int:
        """How many processes analyse."""
        return len(self.others) + self.role.works

    def rate_of_others(self) -> float:
        """Conversations a second that the other workers finish."""
        return sum(float(state.get("ended_per_second", 0)) for state in self.others)

    def said(self, own: Json) -> Json:
        """What workers say of themselves: this process's own figures, or the first worker's if it is none itself."""
        if self.role.works or not self.others:
            return own
        return {name: self.others[0].get(name, value) for name, value in own.items()}

    def stops(self) -> Iterator[Stop]:
        """Why no worker analyses, as far as this process cannot know by itself."""
        if self.role.works:
            return
        states = self.others
        if not states:
            yield Stop("no_worker", NO_WORKER)
        for name, reason in states[0].get("stops", ()) if states else ():
            # One that is stopped alone is made up for by the others.
            if all(name in dict(state.get("stops", ())) for state in states):
                yield Stop(name, reason)
