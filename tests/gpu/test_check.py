"""The GPU check at tiny sizes on the CPU: every section runs, and a broken kernel makes it fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import warm_python
from gpu.document import page
from gpu.record import Record
from gpu.shapes import study_shapes
from gpu.timing import TokenClock

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "tests" / "gpu" / "check.py"
SECTIONS = (
    "environment",
    "correctness",
    "attention",
    "grpo_step",
    "evaluation_batch",
    "sft_step",
    "resume",
    "saving",
    "trl_step",
)

# Name -> section that must fail, the value by which it is seen, and the code that breaks it.
BREAKS = {
    "a completion sees what comes after it": (
        "correctness",
        "log_probability_difference_fp32_padded",
        """
from othink_mr1.modeling.padded_attention import PaddedLayout
of = PaddedLayout.of.__func__
def broken(cls, layout, device):
    made = of(cls, layout, device)
    for batch in made.sharing:
        batch.mask.fill_(True)
    return made
PaddedLayout.of = classmethod(broken)
""",
    ),
    "completions do not see their prompt": (
        "correctness",
        "gradient_difference_fp32",
        """
from othink_mr1.modeling.flash_attention_cpu import FlashLayout
of = FlashLayout.of.__func__
FlashLayout.of = classmethod(lambda cls, layout: cls(of(cls, layout).batches, []))
""",
    ),
    "a place that is taken again keeps its prompt's keys": (
        "correctness",
        "refilled_equal_share",
        """
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache
put = SharedPromptCache.put_prompts
def stale(self, places, keys, values):
    seen = self.__dict__.setdefault("seen", {})
    keys = [seen.setdefault(place, states) for place, states in zip(places, keys)]
    put(self, places, keys, [states[:, :, :keys[i].shape[2]] if states.shape[2] >= keys[i].shape[2]
        else keys[i] for i, states in enumerate(values)])
SharedPromptCache.put_prompts = stale
""",
    ),
    "the sampler takes the neighbour's random numbers": (
        "correctness",
        "sampled_equal_share",
        """
from othink_mr1.modeling.token_step import TokenStep
step = TokenStep.__call__
TokenStep.__call__ = lambda self, *a: step(self, *a).roll(1, 0)
""",
    ),
    "a training goes on with other random numbers": (
        "resume",
        "same_weights_to_the_bit",
        """
import os
from othink_mr1.training import rollout
numbers = rollout.uniform_numbers
rollout.uniform_numbers = lambda seed, *rest: numbers(os.getpid(), *rest)
""",
    ),
    "a restored state has lost a moment": (
        "resume",
        "same_weights_to_the_bit",
        """
from othink_mr1.training.optimisation import Optimisation
restore = Optimisation.restore
def forgetful(self, tensors_of):
    def without_moments(kind):
        return {n: t * (kind != "first_moments") for n, t in tensors_of(kind).items()}
    restore(self, without_moments)
Optimisation.restore = forgetful
""",
    ),
    "an update goes up the gradient": (
        "sft_step",
        "loss_falls",
        """
from othink_mr1.training.optimisation import Optimisation
update = Optimisation.update
def wrong(self, step):
    for group in self._adam.param_groups:
        group["maximize"] = True
    return update(self, step)
Optimisation.update = wrong
""",
    ),
}


def run(folder: Path, command: list[str]) -> tuple[int, dict[str, Any], str]:
    """Run a command that checks into folder; returns its exit code, the report and all that it said."""
    done = subprocess.run(
        command,
        env=os.environ | {"OUT": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    file = folder / "gpu_check.json"
    return done.returncode, json.loads(file.read_text()) if file.exists() else {}, done.stdout + done.stderr


def check(folder: Path, *arguments: str, broken: str = "") -> tuple[int, dict[str, Any], str]:
    """Run the check in a process that has imported torch, with some code before it."""
    program = folder / "broken_check.py"
    program.write_text(f"""
import runpy, sys
sys.path[:0] = [{str(ROOT / "workflow_scripts")!r}, {str(ROOT / "tests")!r}]
{broken}
sys.argv = {[str(CHECK), *arguments]!r}
runpy.run_path({str(CHECK)!r}, run_name="__main__")
""")
    return run(folder, warm_python.command(str(program)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any], str]:
    """All sections, as a user runs them; Python tells on stderr what it imports."""
    command = [sys.executable, "-X", "importtime", str(CHECK), "--cpu-tiny"]
    return run(tmp_path_factory.mktemp("check"), command)


def test_every_section_runs(whole: tuple[int, dict[str, Any], str]) -> None:
    code, report, said = whole
    assert code == 0, said
    assert {name: entry["status"] for name, entry in report["sections"].items()} == dict.fromkeys(
        SECTIONS, "passed"
    )
    assert report["seconds"] < 60
    step = report["sections"]["grpo_step"]["values"]
    assert step["token_ms_early"] > 0
    assert step["completion_tokens"] > 0
    assert 0 < step["share_of_peak_forward_backward"] < 1
    assert report["sections"]["trl_step"]["values"]["trl_by_own"] > 0


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_part_is_caught(name: str, tmp_path: Path) -> None:
    section, value, broken = BREAKS[name]
    code, report, said = check(tmp_path, "--cpu-tiny", "--only", section, broken=broken)
    assert code == 1, said
    entry = report["sections"][section]
    assert entry["status"] == "failed"
    assert value in entry["failed"], entry["failed"]


def test_a_section_that_hangs_is_cut_and_keeps_what_it_measured(tmp_path: Path) -> None:
    hangs = """
import time
import gpu.sections.saving
gpu.sections.saving.run = lambda record, shapes: (record.note(begun=True), time.sleep(60))
"""
    arguments = ("--cpu-tiny", "--only", "saving", "environment", "--seconds", "4")
    code, report, said = check(tmp_path, *arguments, broken=hangs)
    assert code == 1, said
    assert report["sections"]["environment"]["status"] == "passed"
    entry = report["sections"]["saving"]
    assert entry["status"] == "cut"
    assert entry["values"] == {"begun": True}
    assert "took longer than" in entry["reason"]


def test_a_missing_package_skips_what_needs_it(tmp_path: Path) -> None:
    missing = "sys.modules['trl'] = None\nsys.modules['pyarrow'] = None\n"
    arguments = ("--cpu-tiny", "--only", "environment", "trl_step", "resume")
    code, report, said = check(tmp_path, *arguments, broken=missing)
    assert code == 0, said
    reasons = {name: entry.get("reason", "") for name, entry in report["sections"].items()}
    assert reasons["environment"] == ""
    assert "pyarrow is not installed; make gpu-wheels" in reasons["resume"]


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    code, report, said = check(tmp_path)
    assert (code, report) == (2, {})
    assert "this machine shows no GPU" in said


def test_a_value_that_is_no_number_fails() -> None:
    sent: list[tuple[str, str, Any]] = []
    record = Record(sent.append)
    record.at_most(1.0, distance=float("nan"))
    record.at_least(1.0, share=float("nan"))
    assert [name for kind, name, _ in sent if kind == "failed"] == ["distance", "share"]


def test_the_clock_leaves_the_profiled_token_out() -> None:
    clock = TokenClock(lambda logits, sequences, steps: logits, study_shapes().device, profiled_token=2)
    clock.times = [0.0, 1.0, 2.0, 102.0, 103.0]
    assert clock.token_ms() == [1000.0, 1000.0]  # without its profiler's start and end


def test_the_wheels_are_those_of_the_environment() -> None:
    wheels = dict(
        line.split("==")
        for line in (ROOT / "tests" / "gpu" / "wheels.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert "pydantic" in wheels
    assert {name: metadata.version(name) for name in wheels} == wheels


# What a plain machine with a GPU has: torch and accelerate with what they need, transformers' needs, pyarrow.
PLAIN_MACHINE = {
    *("accelerate", "torch", "pyarrow", "pandas", "numpy", "scipy", "pillow", "psutil", "PyYAML", "regex"),
    *("huggingface_hub", "safetensors", "tokenizers", "tqdm", "filelock", "fsspec", "packaging", "requests"),
    *("sympy", "mpmath", "Jinja2", "MarkupSafe", "rich", "xxhash", "tensorboard", "absl-py", "protobuf"),
    *("tabulate", "setuptools", "typing_extensions", "python-dateutil", "urllib3", "certifi", "idna", "h11"),
    *("charset-normalizer", "anyio"),
}
# Of huggingface_hub's version here; the plain machine's has another client.
OF_THE_HUB = {"httpx2", "httpcore2", "truststore", "socksio"}


def test_nothing_else_is_imported(whole: tuple[int, dict[str, Any], str]) -> None:
    """A package that is neither on a plain machine nor among the wheels would end the check there."""
    modules = {match.split(".")[0] for match in re.findall(r"^import time:.*\| +(\S+)$", whole[2], re.M)}
    owners = metadata.packages_distributions()
    packages = {owner for module in modules for owner in owners.get(module, [])}
    wheels = {
        line.partition("==")[0] for line in (ROOT / "tests" / "gpu" / "wheels.txt").read_text().splitlines()
    }
    known = {_normal(name) for name in PLAIN_MACHINE | OF_THE_HUB | wheels}
    assert {name for name in packages if _normal(name) not in known} == set()
    assert {"pydantic", "transformers"} <= packages


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_the_page_is_up_to_date() -> None:
    """If not: make gpu-page."""
    assert page(ROOT / "docs" / "gpu") == (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
