"""A training in several processes (gloo): one process's numbers, one writer, a resume in any number.

Where processes are sent signals or killed, they start as they do for users; elsewhere as forks.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import warm_python
from othink_mr1.data.examples import write_examples
from othink_mr1.evaluation import kept_answers
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion, KeptAnswers
from repository import SCRIPTS
from tiny import (
    EXAMPLES,
    GENERATION,
    TEMPLATE,
    build_backbone,
    description,
    execution,
    grpo_settings,
    sft_settings,
)

STEPS = 10
SETTINGS = {
    # 5 prompts by 2 or 4 processes: ragged shares. Rewards by coin flips, as the tiny backbone gets none.
    "grpo": grpo_settings(
        steps=STEPS, checkpoint_steps=[], prompts_per_step=5, updates_per_rollout=2, reward_scorer="random"
    ),
    "sft": sft_settings(steps=STEPS, checkpoint_steps=[4], batch_size=5, train_vision_tower=False),
}
LONG = 16  # steps of a training that is stopped on its way, and does not go on
SECONDS = 300
HERE = Path(__file__).parent
TORCHRUN = Path(sys.executable).with_name("torchrun")
PATH = os.pathsep.join(map(str, (HERE.parent, SCRIPTS)))


class Site:
    """A place for runs of one trainer."""

    def __init__(self, root: Path, backbone: Path, trainer: str, sharding: str) -> None:
        self.root, self.backbone, self.trainer, self.sharding = root, backbone, trainer, sharding
        self.steps = STEPS
        self.started: list[subprocess.Popen[str]] = []
        self.examples = root / "examples.parquet"
        write_examples(EXAMPLES, self.examples)

    def start(self, processes: int, output: Path, forked: bool = True) -> subprocess.Popen[str]:
        """By the rule's program, started as the rule does; states after every step."""
        settings = SETTINGS[self.trainer].model_copy(update={"steps": self.steps})
        run = description(settings).model_dump_json()
        several = {"gpus": processes, "sharding": self.sharding} if processes > 1 else {"gpus": 0}
        how = execution(**several, save_every_minutes=0, row_tokens=200).model_dump_json()
        files = ["--examples", self.examples, "--backbone", self.backbone, "--output", output]
        program = [SCRIPTS / f"train_{self.trainer}.py", "--run", run, "--execution", how, *files]
        self.started.append(launched(processes, program, forked))
        return self.started[-1]

    def start_and_see_a_state(self, output: Path, steps: int = LONG) -> subprocess.Popen[str]:
        """Start two processes; they have saved a state, and are on their way."""
        self.steps = steps
        process = self.start(2, output, forked=False)
        deadline = time.monotonic() + SECONDS
        while not list(output.with_name(f".{output.name}.states").glob("step-*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    def run(self, processes: int, output: Path) -> pd.DataFrame:
        """Train to the end; returns the metrics."""
        done = self.start(processes, output)
        said, _ = done.communicate(timeout=SECONDS)
        assert done.returncode == 0, said[-3000:]
        return metrics(output)


def launched(processes: int, program: list[str | Path], forked: bool = True) -> subprocess.Popen[str]:
    """Started as the rules do it, or in forks: torchrun and its processes."""
    python = warm_python.command() if forked else [sys.executable]
    if processes > 1:
        torchrun = [TORCHRUN, "--standalone", "--shutdown-timeout", "50", "--nproc-per-node", str(processes)]
        program = [*torchrun, *(["--no-python", "--", *python] if forked else ["--"]), *program]
    return subprocess.Popen(
        [*python, *program],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from othink_mr1.modeling.backbone import save_checkpoint

    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    save_checkpoint(*build_backbone(), folder)
    return folder


@pytest.fixture
def sharding() -> str:
    return "none"


@pytest.fixture
def site(trainer: str, sharding: str, backbone: Path, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, backbone, trainer, sharding)
    yield site
    for process in site.started:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """With all that it started: torchrun's processes have process groups of their own."""
    if process.poll() is None:
        for number in [process.pid, *children(process.pid)]:
            with contextlib.suppress(ProcessLookupError):  # of one that has just ended
                os.kill(number, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def undisturbed(
    backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, int, str], Path]]:
    """The run of a trainer in so many processes with a sharding. Only to be read."""
    sites = []

    @functools.cache
    def trained(trainer: str, processes: int, sharding: str) -> Path:
        site = Site(tmp_path_factory.mktemp(trainer), backbone, trainer, sharding)
        sites.append(site)
        site.run(processes, site.root / "run")
        return site.root / "run"

    yield trained
    for site in sites:
        for process in site.started:
            kill(process)


def metrics(output: Path) -> pd.DataFrame:
    return pd.read_csv(output / "metrics.csv").drop(columns="seconds")


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "checkpoint/model.safetensors")


def test_gradients_of_a_step_are_those_of_one_process(tmp_path: Path) -> None:
    def gradients(processes: int, *arguments: str) -> dict[str, torch.Tensor]:
        program = [HERE / "step_gradients.py", tmp_path / "gradients", *arguments]
        said, _ = (process := launched(processes, program)).communicate(timeout=SECONDS)
        assert process.returncode == 0, said[-3000:]
        if "fsdp2" in arguments:
            counted, estimated = json.loads((tmp_path / "gradients.json").read_text())
            assert counted == estimated
        return load_file(tmp_path / "gradients")

    alone = gradients(1, "none", "kept")
    assert len(alone) > 40
    for several in ((4, "none", "kept"), (2, "fsdp2", "kept"), (4, "fsdp2", "recomputed")):
        together = gradients(*several)
        assert together.keys() == alone.keys()
        for name, gradient in alone.items():
            assert torch.allclose(together[name], gradient, rtol=0, atol=1e-6), (several, name)


def test_a_nan_in_one_process_s_part_is_seen_by_all(tmp_path: Path) -> None:
    """A maximum over processes can lose it; then one ends with an error, and the others wait for it."""
    said, _ = (process := launched(2, [HERE / "nan_in_a_part.py", tmp_path])).communicate(timeout=SECONDS)
    assert process.returncode == 0, said[-3000:]
    for rank in ("0", "1"):
        found = json.loads((tmp_path / rank).read_text())
        assert found == [None, True, "model.language_model.norm.weight", "nan"], rank


@pytest.mark.parametrize(
    ("trainer", "processes", "sharding"),
    [
        ("grpo", 2, "none"),
        ("grpo", 4, "none"),
        ("sft", 2, "none"),
        ("grpo", 2, "fsdp2"),
        ("sft", 4, "fsdp2"),
    ],
)
def test_the_numbers_are_those_of_one_process(
    trainer: str, processes: int, sharding: str, undisturbed: Callable[[str, int, str], Path]
) -> None:
    alone, together = undisturbed(trainer, 1, "none"), undisturbed(trainer, processes, sharding)
    # Also reward, lengths and spread: the same tokens were sampled.
    pd.testing.assert_frame_equal(metrics(together), metrics(alone), rtol=1e-5, atol=1e-6)
    assert (metrics(alone).gradient_norm > 0.01).all()
    for name, weight in weights(alone).items():
        assert torch.allclose(weights(together)[name], weight, atol=1e-4), name
    manifest = json.loads((together / "manifest.json").read_text())
    assert manifest["execution"]["gpus"] == processes
    assert manifest["execution"]["sharding"] == sharding


@pytest.mark.parametrize(("trainer", "sharding"), [("grpo", "none"), ("grpo", "fsdp2")])
def test_stopped_by_two_it_goes_on_by_two_to_the_bit_and_by_one(
    site: Site, undisturbed: Callable[[str, int, str], Path]
) -> None:
    process = site.start_and_see_a_state(site.root / "stopped", STEPS)
    kill(process)
    for output in ("stopped", ".stopped.states"):
        shutil.copytree(site.root / output, site.root / output.replace("stopped", "by-one"))
    (site.root / ".by-one.artefact").write_text("")
    assert not (site.root / "stopped/manifest.json").exists()
    whole = undisturbed(site.trainer, 2, site.sharding)
    again = site.run(2, site.root / "stopped")
    pd.testing.assert_frame_equal(again, metrics(whole), check_exact=True)
    for name, weight in weights(whole).items():
        assert torch.equal(weights(site.root / "stopped")[name], weight), name
    by_one = site.run(1, site.root / "by-one")
    pd.testing.assert_frame_equal(by_one, metrics(whole), rtol=1e-3, atol=1e-4)
    attempts = json.loads((site.root / "by-one/manifest.json").read_text())["attempts"]
    assert any("execution.gpus 2, now 0" in reason for reason in attempts[-1]["not_to_the_bit"])


@pytest.mark.parametrize(("trainer", "sharding"), [("sft", "none"), ("sft", "fsdp2")])
def test_a_signal_to_one_process_stops_all_and_keeps_the_state(site: Site) -> None:
    process = site.start_and_see_a_state(site.root / "stopped")
    followers = [number for number in children(process.pid) if variable(number, "RANK") == "1"]
    os.kill(followers[0], signal.SIGURG)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "ended by SIG" in said
    assert "is kept; started again, the training goes on from there" in said
    assert not (site.root / "stopped/manifest.json").exists()


@pytest.mark.parametrize("trainer", ["sft"])
def test_a_process_that_dies_ends_the_job(site: Site) -> None:
    process = site.start_and_see_a_state(site.root / "run")
    ranks = {variable(number, "RANK"): number for number in children(process.pid)}
    os.kill(ranks["1"], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "rank      : 1" in said
    assert not any(Path(f"/proc/{number}").exists() for number in ranks.values())


@pytest.mark.parametrize("trainer", ["sft"])
def test_more_processes_than_prompts(site: Site) -> None:
    process = site.start(6, site.root / "run")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "execution.train: 6 GPUs are more than the 5 prompts of a step; lower gpus or nodes" in said


def test_the_answers_of_three_are_those_of_one(backbone: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples.parquet"
    write_examples(EXAMPLES, examples)
    task = GenerationTask(name="counting", prompt=TEMPLATE, max_new_tokens=9)

    def answer(processes: int, output: Path) -> dict[str, Any]:
        how = GENERATION.model_copy(update={"gpus": processes if processes > 1 else 0})
        files = ["--checkpoint", backbone, "--examples", examples, "--output", output]
        what = ["--run-name", "base", "--task", task.model_dump_json(), "--precision", "fp32"]
        program = [SCRIPTS / "generate_answers.py", *files, *what, "--execution", how.model_dump_json()]
        said, _ = (process := launched(processes, program)).communicate(timeout=SECONDS)
        assert process.returncode == 0, said[-3000:]
        assert not kept_answers.parts(output)
        return json.loads((output / "manifest.json").read_text())

    answer(1, tmp_path / "alone")
    whole = (tmp_path / "alone/answers.jsonl").read_bytes()
    # What an attempt of two has left: its first process has answered two items, its second one.
    started = tmp_path / "together"
    started.mkdir()
    (tmp_path / ".together.artefact").write_text("")
    made_of = answers_identity(tmp_path / "alone/manifest.json")
    completions = [
        Completion(**{key: json.loads(line)[key] for key in Completion._fields})
        for line in whole.splitlines()
    ]
    for rank, items in ((0, (0, 3)), (1, (4,))):
        with KeptAnswers(started, made_of, len(EXAMPLES), rank) as kept:
            for item in items:
                kept.add(item, completions[item])
    manifest = answer(3, started)
    assert (started / "answers.jsonl").read_bytes() == whole
    assert (manifest["answered_before"], manifest["execution"]["gpus"]) == (3, 3)


def answers_identity(manifest: Path) -> dict[str, Any]:
    facts = json.loads(manifest.read_text())
    return {key: facts[key] for key in ("run", "task", "precision", "made_of")}


def children(number: int) -> list[int]:
    listed = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(child) for child in listed]


def variable(number: int, name: str) -> str | None:
    pairs = Path(f"/proc/{number}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair).get(name)
