"""The offline analyzer's process: what it answers, and that nothing of it hangs, mixes up or stays behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import psutil
import pytest
import uvloop
from structlog.testing import capture_logs

from benchmarks.support.waiting import eventually
from domain.analysis import Analysis, Invalid, ProviderFault, Reply
from domain.topics import BUILT_IN
from llm.offline.analyzer import LanguageDetector, OfflineAnalyzer
from llm.offline.child import analyse_text
from llm.offline.process import ChildProcess

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["My suitcase is lost", "Thank you, you are the best!", "Where can I change my seat?"]

PARENT = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from llm.offline.analyzer import OfflineAnalyzer
from domain.topics import BUILT_IN

async def main():
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        print(analyzer.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def analyzer() -> AsyncIterator[OfflineAnalyzer]:
    async with OfflineAnalyzer(BUILT_IN) as started:
        yield started


async def at_once() -> None:
    """Nothing to wait for before a call."""


async def asked(analyzer: OfflineAnalyzer, *texts: str) -> Reply:
    return await analyzer.analyse(texts, at_once)


def pid_of(analyzer: OfflineAnalyzer | ChildProcess) -> int:
    assert analyzer.pid is not None
    return analyzer.pid


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def in_flight(analyzer: OfflineAnalyzer, *texts: str) -> asyncio.Task[Reply]:
    """A call whose request has been written: from `before_send` to there nothing gives way to the loop."""
    begun = asyncio.Event()

    async def begin() -> None:
        begun.set()

    call = asyncio.create_task(analyzer.analyse(texts, begin))
    await begun.wait()
    return call


async def test_each_text_has_its_row_in_the_order_asked(analyzer: OfflineAnalyzer) -> None:
    reply = await asked(analyzer, *TEXTS)

    assert reply.rows == [analyse_text(text, BUILT_IN) for text in TEXTS]
    assert reply.model == analyzer.model


async def test_the_call_may_begin_before_anything_is_sent(analyzer: OfflineAnalyzer) -> None:
    class NotYetError(Exception):
        pass

    async def refuse() -> None:
        raise NotYetError

    with pytest.raises(NotYetError):
        await analyzer.analyse(TEXTS, refuse)
    assert len((await asked(analyzer, *TEXTS)).rows) == len(TEXTS)


async def test_overlapping_calls_each_get_their_own_rows(analyzer: OfflineAnalyzer) -> None:
    batches = [[f"{TEXTS[number % 3]} {'really ' * number}"] * (number + 1) for number in range(20)]

    replies = await asyncio.gather(*(asked(analyzer, *batch) for batch in batches))

    expected = [[analyse_text(text, BUILT_IN) for text in batch] for batch in batches]
    assert [reply.rows for reply in replies] == expected


async def test_requests_and_answers_may_be_longer_than_a_pipe_holds(analyzer: OfflineAnalyzer) -> None:
    texts = ["Still waiting, the worst service, thanks for nothing! " * 3] * 600

    reply = await asked(analyzer, *texts)

    assert sum(len(row.raw or "") for row in reply.rows) > 2**16
    assert set(reply.rows) == {analyse_text(texts[0], BUILT_IN)}


async def test_only_the_topics_given_come_out() -> None:
    topics = {"lost_suitcase": "luggage that is gone", "anything_else": "the rest"}

    async with OfflineAnalyzer(topics) as analyzer:
        rows = (await asked(analyzer, *TEXTS)).rows

    assert [row.clusters for row in rows if isinstance(row, Analysis)] == [
        ("lost_suitcase",),
        ("anything_else",),
        ("anything_else",),
    ]


async def test_a_text_that_cannot_be_read_spoils_no_neighbour(analyzer: OfflineAnalyzer) -> None:
    first, broken, last = (await asked(analyzer, TEXTS[0], cast(str, None), TEXTS[1])).rows

    assert isinstance(broken, Invalid)
    assert [first, last] == [analyse_text(text, BUILT_IN) for text in TEXTS[:2]]


async def test_a_call_whose_child_dies_faults_and_the_next_has_another(analyzer: OfflineAnalyzer) -> None:
    pid = pid_of(analyzer)
    os.kill(pid, signal.SIGSTOP)
    call = await in_flight(analyzer, *TEXTS)
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(ProviderFault) as fault:
        await call

    assert fault.value.outcome == "unreachable"
    assert len((await asked(analyzer, *TEXTS)).rows) == len(TEXTS)
    assert pid_of(analyzer) != pid


async def test_a_child_that_died_between_calls_is_replaced(analyzer: OfflineAnalyzer) -> None:
    os.kill(pid_of(analyzer), signal.SIGKILL)
    await eventually(lambda: analyzer.pid is None)

    assert len((await asked(analyzer, *TEXTS)).rows) == len(TEXTS)


async def test_a_child_that_hangs_is_a_timeout_and_is_replaced() -> None:
    async with OfflineAnalyzer(BUILT_IN, timeout_seconds=3) as analyzer:
        pid = pid_of(analyzer)
        os.kill(pid, signal.SIGSTOP)

        with pytest.raises(ProviderFault) as fault:
            await asked(analyzer, *TEXTS)

        assert fault.value.outcome == "timeout"
        assert not alive(pid)


async def test_a_cancelled_call_leaves_the_next_its_own_answer(analyzer: OfflineAnalyzer) -> None:
    pid = pid_of(analyzer)
    os.kill(pid, signal.SIGSTOP)
    call = await in_flight(analyzer, TEXTS[0], TEXTS[1])
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    os.kill(pid, signal.SIGCONT)

    reply = await asked(analyzer, TEXTS[2])

    assert reply.rows == [analyse_text(TEXTS[2], BUILT_IN)]
    assert pid_of(analyzer) == pid


async def test_ctrl_c_is_the_parents_business(analyzer: OfflineAnalyzer) -> None:
    pid = pid_of(analyzer)

    os.kill(pid, signal.SIGINT)

    assert len((await asked(analyzer, *TEXTS)).rows) == len(TEXTS)
    assert pid_of(analyzer) == pid


async def test_leaving_ends_the_child_and_further_calls() -> None:
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        pid = pid_of(analyzer)

    assert not alive(pid)
    with pytest.raises(ProviderFault, match="closed"):
        await asked(analyzer, *TEXTS)
    assert analyzer.pid is None


async def test_leaving_waits_less_than_a_second_for_a_child_that_hangs() -> None:
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        pid = pid_of(analyzer)
        os.kill(pid, signal.SIGSTOP)
        call = await in_flight(analyzer, *TEXTS)
        start = time.monotonic()

    assert time.monotonic() - start < 5  # one is promised, on a machine that does nothing else
    assert not alive(pid)
    with pytest.raises(ProviderFault):
        await call


@pytest.mark.parametrize(
    "command", [("/nowhere/python",), ("true",)], ids=["no such program", "ends at once"]
)
async def test_a_child_that_does_not_come_up_is_said_on_entering(command: tuple[str, ...]) -> None:
    with pytest.raises(ProviderFault) as fault:
        async with OfflineAnalyzer(BUILT_IN, command=command):
            pass

    assert fault.value.outcome == "unreachable"


async def test_entering_that_is_given_up_leaves_no_child() -> None:
    analyzer = OfflineAnalyzer(BUILT_IN, command=("sleep", "60"))
    entering = asyncio.create_task(analyzer.__aenter__())
    pid = await eventually(lambda: analyzer.pid)

    entering.cancel()

    with pytest.raises(asyncio.CancelledError):
        await entering
    assert not alive(pid)


async def test_it_gives_way_to_intake_and_is_small(analyzer: OfflineAnalyzer) -> None:
    child = psutil.Process(pid_of(analyzer))
    await asked(analyzer, *TEXTS)

    assert child.nice() >= psutil.Process().nice() + 5 or child.nice() == 19
    assert child.memory_info().rss < 32_000_000  # 26 million measured


@pytest.mark.parametrize("heavy", ["asyncio", "pydantic_core", "sqlalchemy", "fastapi", "httpx"])
def test_the_child_imports_nothing_of_the_server(heavy: str) -> None:
    script = f"import llm.offline.child, sys; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


async def test_languages_come_in_order_from_a_child_that_starts_with_the_first_texts() -> None:
    async with ChildProcess({}) as process:
        assert process.pid is None
        found = await LanguageDetector(process).detect(
            ["Mein Paket ist seit zwei Wochen unterwegs", "ok", "My parcel is late again"]
        )

        assert found == ["de", None, "en"]
        assert psutil.Process(pid_of(process)).memory_info().rss < 28_000_000  # 20 million measured
    assert process.pid is None


async def test_the_language_of_a_text_that_cannot_be_read_is_not_known() -> None:
    async with ChildProcess({}) as process:
        assert await LanguageDetector(process).detect([cast(str, [1]), TEXTS[0]]) == [None, "en"]


@pytest.mark.parametrize(
    "command", [("/nowhere/python",), ("true",)], ids=["no such program", "ends at once"]
)
async def test_without_a_child_no_language_is_known(command: tuple[str, ...]) -> None:
    async with ChildProcess({}, command=command) as process:
        with capture_logs() as logged:
            assert await LanguageDetector(process).detect(TEXTS) == [None] * len(TEXTS)

    assert [line["event"] for line in logged] == ["languages_not_found"]


async def test_kill_9_of_the_parent_leaves_no_child_wherever_it_was_started(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)

    parent.kill()

    await parent.wait()
    await eventually(lambda: not alive(child))


def test_it_serves_on_uvloop_too() -> None:
    async def once() -> Reply:
        async with OfflineAnalyzer(BUILT_IN) as analyzer:
            return await asked(analyzer, *TEXTS)

    assert uvloop.run(once()).rows == [analyse_text(text, BUILT_IN) for text in TEXTS]


def test_another_process_has_the_same_answer_though_its_sets_have_another_order() -> None:
    script = """
from llm.offline.child import analyse_text
from domain.topics import BUILT_IN
print(analyse_text("Late again, bag lost, rude staff, awful food, on hold for an hour, thanks", BUILT_IN))
"""

    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12345"
    }

    assert len(answers) == 1


async def test_a_child_that_cannot_start_is_a_fault_of_the_provider() -> None:
    """It starts with the first text, so that it cannot is not seen before."""
    async with ChildProcess({}, command=["/nowhere"]) as process:
        with pytest.raises(ProviderFault, match="cannot start: FileNotFoundError"):
            await process.call({})
