"""The undisturbed results that all crash tests compare with."""

from __future__ import annotations

import time

import pytest
from faults import Undisturbed
from small_study import SmallStudy, start

import warm_python


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    return SmallStudy(tmp_path_factory.mktemp("small-study"))


@pytest.fixture(scope="session", params=["sft", "grpo", "answers"])
def undisturbed(
    request: pytest.FixtureRequest, study: SmallStudy, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    results = tmp_path_factory.mktemp(f"undisturbed-{request.param}")
    warm_python.command()  # The first call imports torch, which is no time of the job.
    started = time.monotonic()
    done = start(study.job(request.param, results), results)
    assert done.returncode == 0, done.stderr
    return Undisturbed(study, request.param, results, done.operations, time.monotonic() - started)
