"""The scoring workers: same verdicts as in this process, limits that hold, and no process left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_texts import HOSTILE

from othink_mr1 import scoring
from othink_mr1.errors import UserError
from othink_mr1.scoring import counting, geometry
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.outcomes import OUTCOMES, Judgement
from othink_mr1.scoring.worker import start
from othink_mr1.scoring.workers import LONGEST, MEGABYTES, Question, ScoringWorkers, TimedOut, shared_workers
from repository import SCRIPTS

TOWER = "<answer> 9**9**9**9 </answer>"


@pytest.fixture(autouse=True, scope="module")
def _no_workers_of_other_tests():
    shared_workers().close()


def workers_of(parent: int) -> list[int]:
    """The process ids of a process's workers."""
    children: list[int] = []
    for file in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has just ended
            children += map(int, file.read_text().split())
    return [child for child in children if is_worker(child)]


def is_worker(process: int) -> bool:
    try:
        return b"multiprocessing.spawn" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def gone(workers: list[int], seconds: float = 10.0) -> bool:
    """Whether they end soon; there must have been some."""
    assert workers
    until = time.monotonic() + seconds
    while any(map(is_worker, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(is_worker, workers))


def geometry_question(completion, rule="r1v_correct", gold="5"):
    return Question("geometry", rule, completion, gold)


QUESTIONS = [
    Question(scorer, rule, f"<think>{number}</think> <answer> {answer} </answer>", gold)
    for number, (scorer, answer, gold) in enumerate(
        [
            ("geometry", "140°", "140°"),
            ("geometry", "8", "8√{3}"),
            ("geometry", "8√3", "8√{3}"),
            ("geometry", "\\frac{12}{5}", "2.4"),
            ("geometry", "B", "5"),
            ("counting", "7", "7"),
            ("counting", "seven", "7"),
            ("counting", "8", "7"),
        ]
        * 10
    )
    for rule in ("r1v_correct", "r1v_reward", "exact_outcome", "exact_reward")
]


def here(question):
    """The rule's value without workers."""
    module = {"geometry": geometry, "counting": counting}[question.scorer]
    return getattr(module, question.rule)(question.completion, question.gold)


def test_verdicts_do_not_depend_on_the_workers():
    expected = [here(question) for question in QUESTIONS]
    for count in (1, 3):
        with ScoringWorkers(count) as pool:
            assert pool.answers(QUESTIONS) == expected
            assert pool.answers(QUESTIONS[:5] * 2) == expected[:5] * 2
            assert pool.answers([]) == []
    assert not workers_of(os.getpid())


def test_any_thread_several_at_once():
    with ScoringWorkers(2) as pool:
        got: dict[int, list] = {}

        def score(thread):
            got[thread] = pool.answers(QUESTIONS[thread::4])

        threads = [threading.Thread(target=score, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(4):
            assert got[number] == [here(question) for question in QUESTIONS[number::4]]


def test_a_question_over_the_time_limit_costs_itself_alone():
    easy = geometry_question("<answer> 5 </answer>")
    questions = [easy, geometry_question(TOWER), easy._replace(completion="It is 5"), easy._replace(gold="6")]
    for count in (1, 2):
        with ScoringWorkers(count, seconds=0.3) as pool:
            assert pool.answers(questions) == [True, TimedOut("time limit"), True, False]
    assert not workers_of(os.getpid())


def test_the_default_limit_is_a_second():
    with ScoringWorkers(1) as pool:
        pool.answers([geometry_question("5")])
        start = time.process_time(), time.monotonic()
        assert pool.answers([geometry_question(TOWER)]) == [TimedOut("time limit")]
        assert time.process_time() - start[0] < 0.5  # waiting costs this process nothing
        assert 0.9 < time.monotonic() - start[1] < 8  # a second of the worker's time; others compute too


def test_hostile_texts(tmp_path):
    """At least 40, each by both protocols: a named outcome, soon, within memory, and nothing executed."""
    assert len(HOSTILE) >= 40
    marker = tmp_path / "executed"
    slow = []
    with ScoringWorkers(1, seconds=0.15) as pool:
        for name, text in HOSTILE.items():
            text = text.replace("{marker}", str(marker))
            tagged = f"<think>so</think> <answer> {text} </answer>"
            format_followed(tagged)
            for question, expected in (
                (geometry_question(tagged), TimedOut | bool),
                (geometry_question(tagged, "exact_outcome"), TimedOut | Judgement),
                (geometry_question(text, "exact_outcome"), TimedOut | Judgement),
                (Question("counting", "r1v_correct", text, "5"), TimedOut | bool),
                (Question("counting", "exact_outcome", tagged, "5"), TimedOut | Judgement),
            ):
                start = time.monotonic()
                (reply,) = pool.answers([question])
                slow.append((time.monotonic() - start, name, question.scorer, question.rule))
                assert isinstance(reply, expected), name
                assert not isinstance(reply, Judgement) or reply.outcome in OUTCOMES, name
        for worker in workers_of(os.getpid()):
            status = Path(f"/proc/{worker}/status").read_text()
            (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak:")]
            assert (
                peak < (MEGABYTES + 170) * 1024
            )  # 170: what it begins with, a thread's stack and heap included
    assert max(slow)[0] < 2.0, sorted(slow)[-3:]
    assert not marker.exists()
    assert not workers_of(os.getpid())


def test_exact_answers_a_megabyte_of_digits():
    with ScoringWorkers(1) as pool:
        reply = pool.answers([geometry_question(f"<answer>{'9' * 1_000_000}</answer>", "exact_outcome")])
        assert reply == [Judgement("unparseable", "longer than 200 characters")]
        too_long = geometry_question("5" * (LONGEST + 1))
        assert pool.answers([too_long]) == [TimedOut(f"longer than {LONGEST} characters")]


def test_the_memory_limit():
    with ScoringWorkers(1, megabytes=2) as pool:
        wide = geometry_question(f"<answer> {'😀' * 3_900_000} </answer>", "exact_outcome")
        replies = pool.answers([wide, geometry_question("<answer> 5 </answer>")])
        assert replies == [TimedOut("memory limit"), True]


def test_errors_of_a_rule_are_raised_here():
    with ScoringWorkers(2) as pool:
        with pytest.raises(UserError, match="gold 'many'"):
            pool.answers([Question("counting", "r1v_correct", "<answer> 7 </answer>", "many")])
        with pytest.raises(UserError, match="known are counting, geometry"):
            pool.answers([Question("sizes", "r1v_correct", "7", "7")])
        assert pool.answers(QUESTIONS[:1]) == [True]  # and the workers go on
    with pytest.raises(RuntimeError, match="closed"):
        pool.answers(QUESTIONS[:1])
    with pytest.raises(UserError, match="at least 1"):
        ScoringWorkers(0)
    assert not workers_of(os.getpid())


SLOW_TO_IMPORT = """
import mmap, time
from othink_mr1.scoring.counting import exact_outcome, exact_reward, r1v_reward
LARGE = mmap.mmap(-1, 600 << 20)
until = time.process_time() + 0.5
while time.process_time() < until:
    pass
def r1v_correct(completion, gold):
    return len(bytearray(20 << 20)) > 0 if completion else 1
"""


def start_with_own_scorers(megabytes):
    scoring.__path__.append(os.environ["OWN_SCORERS"])
    start(megabytes)


def test_what_a_scorer_imports_costs_no_question(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(SLOW_TO_IMPORT)
    monkeypatch.setenv("OWN_SCORERS", str(tmp_path))
    monkeypatch.setattr("othink_mr1.scoring.workers.start", start_with_own_scorers)
    with ScoringWorkers(1, seconds=0.3, megabytes=100) as pool:
        assert pool.answers([Question("slow", "r1v_correct", "x", "7")]) == [True]
        with pytest.raises(UserError, match="scorer 'slow': r1v_correct returned 1, not True or False"):
            pool.answers([Question("slow", "r1v_correct", "", "7")])


def test_a_worker_that_something_else_ends_is_replaced():
    with ScoringWorkers(1) as pool:
        assert pool.answers(QUESTIONS[:1]) == [True]
        (worker,) = workers_of(os.getpid())
        os.kill(worker, signal.SIGKILL)
        assert pool.answers(QUESTIONS[:1]) == [True]
        worker = workers_of(os.getpid())[0]
        killer = threading.Timer(0.05, os.kill, (worker, signal.SIGKILL))  # its answers take most of a second
        killer.start()
        replies = pool.answers(QUESTIONS)
        killer.join()
        assert not any(isinstance(reply, TimedOut) for reply in replies)


def test_workers_that_do_not_start_are_an_error(monkeypatch, capfd):
    monkeypatch.setattr("othink_mr1.scoring.workers.start", len)  # of a number
    long = [geometry_question(f"{n}" * 10_000) for n in range(1000)]  # more than the pipe holds
    with ScoringWorkers(2) as pool, pytest.raises(UserError, match="at their start, exit status 1"):
        pool.answers(long)
    assert "object of type 'int' has no len()" in capfd.readouterr().err


def test_too_little_address_space_for_workers_to_start():
    script = (
        "import resource; from pathlib import Path\n"
        "from othink_mr1.scoring.workers import Question, ScoringWorkers\n"
        "if __name__ == '__main__':\n"
        "    pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "    limit = pages * resource.getpagesize() + (100 << 20)\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "    ScoringWorkers(1).answers([Question('counting', 'r1v_correct', '<answer> 7 </answer>', '7')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "UserError: scoring: its processes ended 4 times (at their start, exit status 1)" in done.stderr


def test_a_death_by_something_else_is_no_verdict(monkeypatch):
    """Whatever ends every process, as a machine without memory does."""
    monkeypatch.setattr("othink_mr1.scoring.workers.start", abs)  # which is quick
    monkeypatch.setattr("othink_mr1.scoring.workers.answer", kill_this_process)
    with ScoringWorkers(1) as pool, pytest.raises(UserError, match="exit status -9"):
        pool.answers(QUESTIONS[:1])


def test_a_text_that_crashes_a_process_is_wrong(monkeypatch):
    monkeypatch.setattr("othink_mr1.scoring.workers.answer", crash)
    with ScoringWorkers(1) as pool:
        assert pool.answers([*QUESTIONS[:2], geometry_question("crash")])[2:] == [TimedOut("crash")]


def kill_this_process(questions, seconds):
    os.kill(os.getpid(), signal.SIGKILL)


def crash(questions, seconds):
    if any(question.completion == "crash" for question in questions):
        os.kill(os.getpid(), signal.SIGSEGV)
    return [True for _ in questions]


def test_workers_are_renewed_after_their_lifetime(monkeypatch):
    monkeypatch.setattr("othink_mr1.scoring.workers._LIFETIME", 2)
    with ScoringWorkers(1) as pool:
        assert pool.answers(QUESTIONS[:1]) == [True]
        first = workers_of(os.getpid())
        pool.answers(QUESTIONS[:100])
        assert first[0] not in workers_of(os.getpid())


def test_a_forked_process_leaves_the_workers_alone():
    with ScoringWorkers(1) as pool:
        pool.answers(QUESTIONS[:1])
        child = os.fork()
        if child == 0:
            try:
                pool.answers(QUESTIONS[:1])
            except RuntimeError:
                pool.close()
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert pool.answers(QUESTIONS[:1]) == [True]


PROGRAM = """
import multiprocessing, os, time
from othink_mr1.scoring.workers import Question, ScoringWorkers, shared_workers
pool = ScoringWorkers(2)
pool.answers([Question("geometry", "r1v_correct", str(n), "5") for n in range(65)])  # two chunks
shared_workers().answers([Question("geometry", "r1v_correct", "5", "5")])
print(*[process.pid for process in multiprocessing.active_children()], flush=True)
"""


def program(rest, **options):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + rest],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        **options,
    )


@pytest.mark.parametrize("ending", ["", "raise ValueError('so')", "os._exit(0)"])
def test_no_worker_is_left_when_the_interpreter_ends(ending):
    process = program(ending, stderr=subprocess.DEVNULL)
    workers = [int(worker) for worker in process.communicate(timeout=60)[0].split()]
    assert gone(workers)


@pytest.mark.parametrize(
    "rest",
    [
        "time.sleep(60)",
        f"pool.answers([Question('geometry', 'r1v_correct', {TOWER!r} + str(n), '5') for n in range(99)])",
        # A process forked from it holds the pipes open: their end is no sign.
        "child = os.fork()\ntime.sleep(30 if child == 0 else 60)",
    ],
    ids=["idle", "busy", "forked"],
)
def test_no_worker_is_left_when_the_parent_is_killed(rest):
    process = program(rest)
    process.stdout.readline()
    time.sleep(0.3)
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    assert gone(workers)


def test_a_worker_serves_without_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "sympy.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    with ScoringWorkers(1) as pool:
        assert pool.answers(QUESTIONS[:1]) == [True]
