"""The whole of Snakemake is killed in the middle of a download: what a user does then, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_hub import FakeHub
from snakemake_runs import run_snakemake

pytestmark = pytest.mark.workflow

REPOSITORY = "leonardPKU/GEOQA_R1V_Train_8K"
TABLE = "data/train-00000-of-00001.parquet"
BODY = bytes(range(256)) * 16_000
OVERLAY = {"results": "results/killed", "tasks": {"geometry": {"train": "geoqa_8k"}}}
CONFIGS = ["--configfile", "tests/study.yaml", "killed.yaml", "--cores", "1"]


def test_a_killed_download_goes_on_after_unlock(own_checkout: Path, tmp_path: Path) -> None:
    (own_checkout / "killed.yaml").write_text(json.dumps(OVERLAY))
    with FakeHub({f"datasets/{REPOSITORY}": {TABLE: BODY}}).start() as hub:
        variables = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
        hub.fail(f"*/resolve/*{TABLE}", bytes_per_second=2_000_000)
        part = _killed_in_the_middle(own_checkout, variables)
        assert 1_000_000 < part.stat().st_size < len(BODY)
        folder = next(parent for parent in part.parents if parent.name == ".cache").parent
        assert not (folder / "manifest.json").exists()
        hub.heal()
        hub.requests.clear()

        refused = run_snakemake(own_checkout, [*CONFIGS, "download"], variables=variables)
        assert refused.returncode == 1
        assert "It can be removed with the --unlock argument" in refused.stdout + refused.stderr
        assert hub.asked() == 0
        unlocked = run_snakemake(own_checkout, [*CONFIGS, "--unlock"], variables=variables)
        assert unlocked.returncode == 0, unlocked.stderr
        again = run_snakemake(own_checkout, [*CONFIGS, "download"], variables=variables)
        assert again.returncode == 0, again.stdout + again.stderr

    assert (folder / TABLE).read_bytes() == BODY
    assert (folder / "manifest.json").exists()
    assert not part.exists()


def _killed_in_the_middle(checkout: Path, variables: dict[str, str]) -> Path:
    """Start `snakemake download`, kill it and its jobs at a megabyte; returns the part that is left."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout)} | variables
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "snakemake"), *CONFIGS, "download"],
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        try:
            deadline = time.monotonic() + 300
            while not (parts := _parts(checkout)) and time.monotonic() < deadline:
                assert running.poll() is None, "it ended before it was killed"
                time.sleep(0.02)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
    (part,) = parts
    size = part.stat().st_size
    time.sleep(0.2)
    assert part.stat().st_size == size, "the job's process was killed, too"
    return part


def _parts(checkout: Path) -> list[Path]:
    found = checkout.glob("results/killed/raw/*/.cache/**/*.incomplete")
    return [part for part in found if part.stat().st_size > 1_000_000]
