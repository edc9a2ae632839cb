"""The time that a workflow still takes, from made-up jobs."""

from __future__ import annotations

from logging import makeLogRecord

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_eta as eta
from othink_mr1.tools.time_left import TimeLeft, duration


def run(left: TimeLeft, job: int, rule: str, start: float, end: float) -> None:
    left.start(job, rule, start)
    left.finish(job, end)


def test_one_after_the_other() -> None:
    left = TimeLeft({"train": 4, "score": 2}, 100.0)
    assert left.seconds(105.0) is None
    run(left, 1, "train", 100.0, 110.0)
    run(left, 2, "score", 110.0, 111.0)
    assert left.seconds(111.0) == pytest.approx(3 * 10 + 1)


def test_two_at_once_take_half_the_time() -> None:
    left = TimeLeft({"train": 6}, 0.0)
    for job, (start, end) in enumerate([(0.0, 10.0), (0.0, 10.0), (10.0, 20.0), (10.0, 20.0)]):
        run(left, job, "train", start, end)
    assert left.seconds(20.0) == pytest.approx(10.0)


def test_a_rule_of_which_none_has_ended_counts_as_the_others() -> None:
    left = TimeLeft({"train": 2, "draw": 3}, 0.0)
    run(left, 1, "train", 0.0, 8.0)
    assert left.seconds(8.0) == pytest.approx(4 * 8.0)


def test_a_job_that_runs_has_done_a_part_of_its_work() -> None:
    left = TimeLeft({"train": 2}, 0.0)
    run(left, 1, "train", 0.0, 10.0)
    left.start(2, "train", 10.0)
    assert left.seconds(16.0) == pytest.approx(4.0)
    assert left.seconds(30.0) == 0.0  # longer than the first: no time below zero


def test_a_job_that_has_failed_runs_no_more() -> None:
    left = TimeLeft({"train": 4}, 0.0)
    left.start(2, "train", 0.0)
    left.fail(2)
    run(left, 1, "train", 0.0, 10.0)
    assert left.seconds(10.0) == pytest.approx(30.0)


def test_jobs_that_were_not_told_are_left_out() -> None:
    left = TimeLeft({"train": 2}, 0.0)
    left.finish(7, 5.0)
    assert left.seconds(5.0) is None


def test_the_line_names_the_rules_with_most_jobs() -> None:
    left = TimeLeft({"train": 3, "score": 9, "report": 1, "render": 2, "draw": 2}, 0.0)
    assert (
        left.line(1.0) == "0 of 17 jobs (score 0 of 9, train 0 of 3, render 0 of 2); time left not known yet"
    )
    run(left, 1, "train", 0.0, 60.0)
    assert left.line(60.0).startswith(
        "1 of 17 jobs (score 0 of 9, train 1 of 3, render 0 of 2); about 16 min"
    )
    assert TimeLeft({"train": 1}, 0.0).line(1.0) == "0 of 1 jobs; time left not known yet"


def test_jobs_of_a_group_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake names the group when it starts, and its jobs when they are told and when they end."""
    monkeypatch.setattr(eta, "SAY_EVERY_SECONDS", 0.0)
    handler = eta.LogHandler(None, None)

    def tell(event: LogEvent, **said: object) -> None:
        handler.emit(makeLogRecord({"event": event, **said}))

    tell(LogEvent.RUN_INFO, stats={"score": 2, "total": 2})
    tell(LogEvent.JOB_STARTED, jobs=["0f3a-a-group"])
    for job in (4, 7):
        tell(LogEvent.JOB_INFO, jobid=job, rule_name="score")
    for job in (4, 7):
        tell(LogEvent.JOB_FINISHED, job_id=job)
    assert capsys.readouterr().err.splitlines()[-1].endswith("2 of 2 jobs (score 2 of 2); about 0 s left")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5340, "89 min"),
        (5400, "1 h 30 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
