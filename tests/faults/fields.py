"""`kill -9` while the operator's fields change: `python -m tests.faults.fields --kills 20`.

The real service and a fake Grok that answers rows in any order. Conversations are posted, deleted, and their fields
corrected and given back, the service is killed again and again, and between two lives the file of the fields often
changes. Then a re-analysis fills in what lacks the last version, under kills as well. At the end, before that and after
it, nothing accepted is lost or there twice, each insight has the answers of one version, whole, to its own text and no
other's, but for what people corrected, and all counts are those of a recount. 0 where that holds on every database, 1
otherwise.
"""

import argparse
import asyncio
import json
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.support.databases import KINDS, SQLITE, fresh
from benchmarks.support.process import POSTS, Json, Process, address, client
from benchmarks.support.waiting import eventually
from domain.fields.fieldsets import FieldSet
from llm.field_prompts import fields_schema
from tests.fake_grok import fields as fake
from tests.fake_grok.server import KEY
from tests.faults.crash_moments import dice
from tests.support.field_data import CHANGED, CHANGED_FILE, FIELDS, FILE
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, rows

AT_ONCE = 250
MEDDLERS = 4
SECONDS_TO_END = 900
MOST_COMPLAINTS = 20
FILES: Mapping[str, tuple[str, FieldSet]] = {"first": (FILE, FIELDS), "second": (CHANGED_FILE, CHANGED)}
ASKED: Mapping[str, FieldSet] = {fields.version: fields for _, fields in FILES.values()}
VALUES: Mapping[str, Sequence[Any]] = {
    "urgency": ("high", "normal", "low"),  # `low` is of the first version only
    "damaged": (True, False, None),
    "wishes": (["refund"], ["apology", "resend"], None),
    "place": ("at the neighbour's", None),
}
EXPECTED_ERRORS = (
    "55P03",
)  # a lock was not had in time, on a machine with ten times the work that it can do
ENVIRON: Json = {
    "GROK_MODE": "real",
    "GROK_API_KEY": KEY,
    "INBOUND_RPS": 0,
    "OUTBOUND_RPS": 40,
    "START_BATCH": 50,
    "BACKOFF_SECONDS": 0.05,
    "COOLDOWN_SECONDS": 0.3,
    # Bad luck with the faults below must not make a conversation `failed`: that is not what is tried here.
    "MAX_RETRIES": 20,
    # What a killed process held is due again after 12 seconds.
    "GROK_TIMEOUT_SECONDS": 5,
    "LEASE_MARGIN_SECONDS": 2,
}


@dataclass(frozen=True)
class Plan:
    """How much there is, and what happens to it."""

    conversations: int
    kills: int
    seed: int
    workers: int = 0
    """Processes that only analyse, beside one that takes requests; 0 is one process that does both."""
    latency: float = 0.5


@dataclass
class Findings:
    """What became of it."""

    kills: int = 0
    changes: int = 0
    """How often the file changed."""
    accepted: int = 0
    deleted: int = 0
    corrections: int = 0
    versions: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many insights have which file's version, before and after the re-analysis."""
    asked: int = 0
    """How often a text was sent."""
    complaints: list[str] = field(default_factory=list)


# --- clients --------------------------------------------------------------------------------------------------


@dataclass
class Clients:
    """Those who post, correct and delete, and what they know of it."""

    url: str
    random: Random
    texts: dict[str, str] = field(default_factory=dict)
    """What was accepted, by id."""
    deleted: set[str] = field(default_factory=set)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was said of fields last, without those of which no answer came."""
    unclear: set[str] = field(default_factory=set)
    corrections: int = 0
    odd: list[str] = field(default_factory=list)
    _at_hand: set[str] = field(default_factory=set)

    async def post(self, number: int) -> None:
        """Post so many, each until it is answered."""
        async with client(self.url) as http:
            for first in range(0, number, AT_ONCE):
                said = [
                    f"Parcel {at} is lost, and so is my patience." for at in range(first, first + AT_ONCE)
                ]
                items = [{"external_id": f"p{first + at}", "text": text} for at, text in enumerate(said)]
                ids = await self._accepted(http, items[: number - first])
                self.texts |= dict(zip(ids, said, strict=False))

    async def _accepted(self, http: httpx.AsyncClient, items: Sequence[Json]) -> list[str]:
        async def ids() -> list[str] | None:
            with suppress(httpx.TransportError):
                answer = await http.post(f"{POSTS}/bulk", json=items)
                if answer.status_code == 202:
                    return list(answer.json()["conversation_ids"])
                if answer.status_code != 503:
                    self.odd.append(f"bulk: {answer.status_code} {answer.text[:200]}")
            return None

        accepted: list[str] = await eventually(ids, SECONDS_TO_END)
        return accepted

    async def meddle(self, until: asyncio.Event) -> None:
        """Correct, take back and delete, until told to leave."""
        async with client(self.url) as http:
            while not until.is_set():
                # Those that came first are analysed first.
                early = [*self.texts][: max(AT_ONCE, len(self.texts) // 4)]
                if left := [id_ for id_ in early if id_ not in self.deleted | self._at_hand]:
                    await self._one(http, self.random.choice(left))
                with suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), 0.05)

    async def _one(self, http: httpx.AsyncClient, id_: str) -> None:
        self._at_hand.add(id_)
        await (self._delete if self.random.random() < 0.05 else self._correct)(http, id_)
        self._at_hand.discard(id_)

    async def _delete(self, http: httpx.AsyncClient, id_: str) -> None:
        self.deleted.add(id_)

        async def is_gone() -> bool:
            with suppress(httpx.TransportError):
                return (await http.delete(f"{POSTS}/{id_}")).status_code in (204, 404)
            return False

        await eventually(is_gone, SECONDS_TO_END)

    async def _correct(self, http: httpx.AsyncClient, id_: str) -> None:
        said = self.said.get(id_, {})
        names = self.random.sample([*VALUES], self.random.randint(1, 2))
        if said and self.random.random() < 0.3:
            after = {name: value for name, value in said.items() if name not in names}
            body: Json = {"withdrawn_fields": names}
        else:
            new = {name: self.random.choice(VALUES[name]) for name in names}
            after, body = said | new, {"fields": new}
        try:
            answer = await http.post(f"{POSTS}/{id_}/corrections", json=body)
        except httpx.TransportError:
            self.unclear.add(id_)
            return
        if answer.status_code == 200:
            self.said[id_] = after
            self.corrections += 1
        elif answer.status_code not in (400, 404, 409, 503):  # not of this version, not analysed, going
            self.odd.append(f"correction: {answer.status_code} {answer.text[:200]}")


# --- the ordeal -----------------------------------------------------------------------------------------------


@dataclass
class Lives:
    """The processes, which are killed and started again, with the file of that moment."""

    lot: Sequence[Process]
    folder: Path
    random: Random
    found: Findings
    present: str = "first"

    async def end_one(self, *, changing: bool) -> None:
        """Kill one of them; `changing` is to change the file every other time before it starts again."""
        one = self.random.choice(self.lot)
        await asyncio.to_thread(one.end, signal.SIGKILL)
        self.found.kills += 1
        if changing and self.random.random() < 0.5:
            self._change()
        await asyncio.to_thread(one.start)

    def _change(self) -> None:
        self.present = "second" if self.present == "first" else "first"
        self.found.changes += 1
        (self.folder / "fields.yaml").write_text(FILES[self.present][0])

    async def all_anew(self) -> None:
        """All of them with the same file."""
        for one in self.lot:
            await asyncio.to_thread(one.end, signal.SIGKILL)
        for one in self.lot:
            await asyncio.to_thread(one.start)

    async def kills(self, number: int, *, changing: bool) -> None:
        """So many, with some work in between."""
        for _ in range(number):
            await asyncio.sleep(self.random.uniform(0.5, 4))
            await self.end_one(changing=changing)


async def ordeal(
    url: URL, folder: Path, plan: Plan, show: Callable[[str], None] = lambda _: None
) -> Findings:
    """A service on an empty database, its kills, a re-analysis, and what was found."""
    found, random = Findings(), dice(plan.seed, "kills")
    async with AsyncExitStack() as stack:
        grok = stack.enter_context(faked())
        grok.latency = plan.latency
        grok.misbehave("reordered")
        grok.misbehave("missing", probability=0.02, first_only=True)
        lives = Lives([*_started(url, folder, grok, plan, stack)], folder, random, found)
        clients = Clients(lives.lot[0].url, dice(plan.seed, "clients"))
        async with meddling(clients):
            posting = asyncio.create_task(clients.post(plan.conversations))
            await lives.kills(plan.kills - plan.kills // 4, changing=True)
            await posting
        show(f"{found.kills} kills, the file changed {found.changes} times")
        await _settled(url)
        await lives.all_anew()
        found.versions["before"] = await _judge(url, clients, found)
        job = await _reanalysis(clients.url)
        async with meddling(clients):
            await lives.kills(plan.kills // 4, changing=False)
        await _ended(clients.url, job)
        await _settled(url)
        show(f"{found.kills} kills")
        found.complaints += await _lacking(clients.url)
        for one in lives.lot:
            one.end(signal.SIGTERM)
            found.complaints += _logged(one)
        found.versions["after"] = await _judge(url, clients, found)
        found.asked, found.corrections = grok.sent.total(), clients.corrections
        found.accepted, found.deleted = len(clients.texts), len(clients.deleted)
        found.complaints += [*clients.odd, *grok.violations]
    return found


@asynccontextmanager
async def meddling(clients: Clients) -> AsyncIterator[None]:
    """Somebody corrects and deletes meanwhile."""
    leaving = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(MEDDLERS):
            group.create_task(clients.meddle(leaving))
        try:
            yield
        finally:
            leaving.set()


def _started(url: URL, folder: Path, grok: Grok, plan: Plan, stack: AsyncExitStack) -> Iterator[Process]:
    file = folder / "fields.yaml"
    file.write_text(FILE)
    given = ENVIRON | {"GROK_BASE_URL": grok.url, "DATABASE_URL": address(url), "FIELDS_FILE": file}
    for role in ("api", *["worker"] * plan.workers) if plan.workers else ("all",):
        yield stack.enter_context(Process(folder, **given, ROLE=role))


async def _settled(url: URL) -> None:
    """Wait until nothing is left to analyse. Raises TimeoutError."""
    waiting = "SELECT count(*) AS n FROM conversations WHERE status IN ('queued', 'processing')"

    async def is_done() -> bool:
        return bool((await rows(url, waiting))[0].n == 0)

    await eventually(is_done, SECONDS_TO_END)


async def _reanalysis(url: str) -> str:
    """Begin to fill in what lacks the present version; gives where to look how far that is."""
    async with client(url) as http:
        body = {"filter": {"fields": "missing"}}
        return str((await http.post("/api/v1/reanalysis", json=body)).raise_for_status().headers["Location"])


async def _ended(url: str, job: str) -> None:
    async with client(url) as http:

        async def end() -> bool:
            with suppress(httpx.TransportError):
                answer = await http.get(job)
                return answer.status_code == 200 and answer.json()["status"] == "completed"
            return False

        await eventually(end, SECONDS_TO_END)


async def _lacking(url: str) -> list[str]:
    async with client(url) as http:
        lacking = (await http.get("/api/v1/fields")).raise_for_status().json()["insights_without"]
    return [f"{lacking} insights lack the last version after the re-analysis"] if lacking else []


def _logged(one: Process) -> list[str]:
    errors = [line for line in one.errors if not any(each in line for each in EXPECTED_ERRORS)]
    return [f"logged: {line[:1000]}" for line in errors]


# --- the judge ------------------------------------------------------------------------------------------------

KEPT = """
SELECT c.id, c.status, i.fields, i.fields_version, x.fields AS said, x.model_fields, x.model_fields_version
FROM conversations c LEFT JOIN insights i ON i.conversation = c.number
LEFT JOIN corrections x ON x.conversation = c.number
"""
SCHEMAS: Mapping[str, fake.Schemas] = {
    version: fields_schema(asked)  # type: ignore[misc]
    for version, asked in ASKED.items()
}


async def _judge(url: URL, clients: Clients, found: Findings) -> dict[str, int]:
    """Compare what is stored with what was said, and counts with a recount; gives the insights by version."""
    kept = {row.id: row for row in await rows(url, KEPT)}
    wanted = clients.texts.keys() - clients.deleted
    found.complaints += [f"{id_} was accepted and is lost" for id_ in wanted - kept.keys()]
    found.complaints += [f"{id_} is there, and should not be" for id_ in kept.keys() - wanted]
    for id_ in sorted(wanted & kept.keys()):
        found.complaints += _of_one(
            kept[id_], clients.texts[id_], None if id_ in clients.unclear else clients.said.get(id_, {})
        )
    found.complaints += [each async for each in _of_counts(url)]
    versions = [row.fields_version for row in kept.values()]
    return {name: versions.count(asked.version) for name, (_, asked) in FILES.items()}


async def _of_counts(url: URL) -> AsyncIterator[str]:
    """By a connection beside the service, in one transaction."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        try:
            await connection.run_sync(assert_rolled_up)
        except AssertionError as error:
            yield f"a roll-up is not what a recount gives: {str(error)[:300]}"


def _of_one(row: Any, text: str, said: Mapping[str, Any] | None) -> Iterator[str]:
    """What is wrong with a conversation; `said` is None where nobody knows whether a correction was stored."""
    if row.status != "completed" or row.fields_version not in ASKED:
        yield f"{row.id} is {row.status} with the version {row.fields_version}"
        return
    stored = json.loads(row.said or "{}")
    if said is not None and stored != said:
        yield f"{row.id} was corrected to {said}, and {stored} is stored"
    own = fake.answers(SCHEMAS[row.fields_version], text)
    own["wishes"] = own["wishes"] and [*dict.fromkeys(own["wishes"])]
    if row.said and (json.loads(row.model_fields or "{}"), row.model_fields_version) != (
        own,
        row.fields_version,
    ):
        yield f"{row.id} has {row.model_fields} beside its correction, not {own}"
    is_first = row.fields_version == FIELDS.version
    counted = own | {name: value for name, value in stored.items() if is_first or value != "low"}
    if json.loads(row.fields) != counted:
        yield f"{row.id} has {row.fields}, not {counted}"


# --- the program ----------------------------------------------------------------------------------------------


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.fields", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=20, help="on each database (default: %(default)s)")
    parser.add_argument("--conversations", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="on PostgreSQL, beside one process that takes requests; 0: all in one",
    )
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="default: another")
    given = parser.parse_args()
    # As at Ctrl-C, what was started is ended; without it a SIGTERM leaves service and PostgreSQL behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console, is_bad = Console(highlight=False, markup=False), False
    console.print(f"python -m tests.faults.fields --kills {given.kills} --seed {given.seed}")
    for kind in KINDS if given.database == "both" else (given.database,):
        plan = Plan(given.conversations, given.kills, given.seed, 0 if kind == SQLITE else given.workers)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="fields-")))
            url = stack.enter_context(fresh(kind, folder))
            found = asyncio.run(ordeal(url, folder, plan, lambda said: console.print(f"  {said}")))
        console.print(f"{kind}: {_shown(found)}", soft_wrap=True)
        for complaint in found.complaints[:MOST_COMPLAINTS]:
            console.print(f"  {complaint}", soft_wrap=True)
        is_bad |= bool(found.complaints)
    return 1 if is_bad else 0


def _shown(found: Findings) -> str:
    counted = f"{found.kills} kills, {found.changes} changes of the file, {found.accepted} accepted"
    counted += f", {found.deleted} deleted, {found.corrections} corrections, {found.asked} texts sent"
    return f"{counted}, versions {found.versions}, {len(found.complaints)} complaints"


if __name__ == "__main__":
    raise SystemExit(main())
