"""inspect_ai itself, in an environment of its own, reads the logs that are written without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import warm_python
from snakemake_runs import copy_repository, run_snakemake

VERSION = "0.3.285"
READ = """
import json, sys
from pathlib import Path
from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries
found = {}
for info in list_eval_logs(sys.argv[1]):
    log = read_eval_log(info.name)
    assert log.status == "success"
    assert len(read_eval_log_sample_summaries(info.name)) == len(log.samples) == log.results.total_samples
    assert all(sample.output.completion == sample.messages[-1].text for sample in log.samples)
    accuracy = {score.name: score.metrics["accuracy"].value for score in log.results.scores}
    assert accuracy["r1v"] == sum(s.scores["r1v"].value == "C" for s in log.samples) / len(log.samples)
    found[Path(info.name).stem] = accuracy["r1v"]
print(json.dumps(found))
"""


def test_inspect_reads_every_log(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)
    smoke = ["--configfile", "tests/study.yaml", "--cores", "2", "results/smoke/same_task.csv"]
    done = run_snakemake(checkout, smoke, timeout=600, variables=warm_python.variables())
    assert done.returncode == 0, done.stderr[-4000:]
    command = [sys.executable, "workflow_scripts/inspect_logs.py", "--overlay", "tests/study.yaml"]
    subprocess.run(command, cwd=checkout, check=True)

    python = tmp_path / "inspect" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "inspect"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, f"inspect-ai=={VERSION}"], check=True)
    reading = [python, "-c", READ, checkout / "results/smoke/inspect"]
    read = subprocess.run(reading, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr[-4000:]
    accuracies = json.loads(read.stdout.splitlines()[-1])
    frame = pd.read_csv(checkout / "results/smoke/same_task.csv")
    assert len(accuracies) == len(frame) > 0
    # The csv has six significant digits.
    assert sorted(accuracies.values()) == pytest.approx(sorted(frame.r1v_accuracy), rel=1e-5)
