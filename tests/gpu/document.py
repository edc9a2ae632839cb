"""Write docs/gpu.md from gpu_check.json files: one per card and commit, kept in docs/gpu/.

    python tests/gpu/document.py                                          rewrite the page
    python tests/gpu/document.py --add results/gpu-check/gpu_check.json   the same, with one more file

Run by `make gpu-page`. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Point:
    """A question about the code on a GPU: what is estimated, and the measured values that answer it."""

    title: str
    estimate: str
    values: tuple[tuple[str, str], ...]  # (label with unit, `section.value` or `section.value.part`)


POINTS = (
    Point(
        "A. Attention",
        "torch 2.10 and later prefer cuDNN's kernel on Hopper if cuDNN is newer than 9.15. It makes a plan "
        "for every new shape (23 to 42 ms by public reports) and keeps it. Nearly every group has a new "
        "shape: this costs 2.5 s a step on counting, 4.4 s on geometry, and host memory grows.",
        (
            ("a group's operators", "attention.operators_of_a_group"),
            ("prompts' operators", "attention.operators_of_prompts_alone"),
            ("vision tower's operators", "attention.operators_of_the_vision_tower"),
            ("new shape, first call, ms", "attention.new_shape_first_ms_default"),
            ("new shape, second call, ms", "attention.new_shape_second_ms_default"),
            (
                "the same with flash or efficient forced: first, ms",
                "attention.new_shape_first_ms_flash_or_efficient",
            ),
            ("second, ms", "attention.new_shape_second_ms_flash_or_efficient"),
            ("host memory for the new shapes, MB", "attention.host_mb_for_new_shapes_default"),
            ("the same, forced, MB", "attention.host_mb_for_new_shapes_flash_or_efficient"),
        ),
    ),
    Point(
        "B. Decoding",
        "1,069 launches per token, counted on the CPU, so 8 to 10 ms a token for any batch size; the GPU's "
        "own work for 128 sequences is 3 to 5 ms.",
        (
            ("ms per token, early", "grpo_step.token_ms_early"),
            ("ms per token, late", "grpo_step.token_ms_late"),
            ("launches per token", "grpo_step.launches_per_token"),
            ("GPU ms per token", "grpo_step.gpu_ms_per_token"),
            ("sampler, ms", "grpo_step.sampler_ms"),
            ("tokens per second", "grpo_step.tokens_per_second"),
        ),
    ),
    Point(
        "C. Saving",
        "26.5 GB per state, copied tensor by tensor, hashed and written while the training waits. That takes "
        "40 to 75 s every 50 steps, 10 to 20 % of the time.",
        (
            ("saving, GB/s", "saving.saving_gb_per_second"),
            ("checking, GB/s", "saving.checking_gb_per_second"),
            ("sha256, GB/s", "saving.sha256_gb_per_second"),
            ("into ordinary memory, GB/s", "saving.to_ordinary_memory_gb_per_second"),
            ("into pinned memory, GB/s", "saving.to_pinned_memory_gb_per_second"),
            ("so a state of the 2B model, s", "saving.saving_seconds_of_the_2b_model"),
        ),
    ),
    Point(
        "D. Pictures",
        "23 ms each at 480 × 320 on one CPU core: 0.4 s per GRPO step, 3 s per SFT step. Threads prepare the "
        "next step's while the GPU computes. They hold Python's lock for a fifth of the time, so seven of "
        "them are 4.7 times as fast as one: 0.6 s for an SFT step's.",
        (
            ("ms per picture", "grpo_step.picture_ms"),
            ("in one thread, ms", "sft_step.picture_ms_one_by_one"),
            ("threads", "sft_step.threads"),
            ("in these threads, ms", "sft_step.picture_ms_in_threads"),
            ("pictures of an SFT step, s", "sft_step.pictures_seconds"),
            ("SFT step's forward and backward, s", "sft_step.forward_backward_seconds"),
            ("the same while pictures are prepared, s", "sft_step.forward_backward_seconds_while_preparing"),
        ),
    ),
    Point(
        "E. Vision tower",
        "transformers' path reads lengths back from the GPU for q, k and v in each of its 32 layers.",
        (
            ("operators", "attention.operators_of_the_vision_tower"),
            ("prefill, s", "grpo_step.prefill_seconds"),
        ),
    ),
    Point(
        "F. Precision",
        "fp32 weights and AdamW with bf16 products; the reference's weights are cast to bf16 once.",
        (
            ("log-probabilities, fp32, largest difference", "correctness.log_probability_difference_fp32"),
            ("log-probabilities, bf16, largest difference", "correctness.log_probability_difference_bf16"),
            ("gradients, fp32, largest relative difference", "correctness.gradient_difference_fp32"),
            ("sampled completions that are the CPU's", "correctness.sampled_equal_share"),
            ("reference, s", "grpo_step.reference_seconds"),
        ),
    ),
    Point(
        "G. Memory",
        "40.2 GB static, of which the reference is 4.9 GB; 52 to 54 GB at the peak with row_tokens 8192 and "
        "checkpointing.",
        (
            ("reference, GB", "grpo_step.gb_of_reference"),
            ("static, GB", "grpo_step.gb_static"),
            ("peak of the update, GB", "grpo_step.gb_peak_of_update"),
            ("peak of the rollout, GB", "grpo_step.gb_peak_of_rollout"),
            ("peak of SFT, GB", "sft_step.gb_peak"),
        ),
    ),
    Point(
        "H. Evaluation",
        "A decoding step of 256 sequences takes about as long as one of 32, so as many are decoded at a time "
        "as the free memory allows: on 80 GB 512 of counting's and 336 of geometry's.",
        (
            ("batch by the rule, bf16", "evaluation_batch.batch_by_the_rule_bf16"),
            ("batch by the rule, fp32", "evaluation_batch.batch_by_the_rule_fp32"),
            ("ms per token, 32 sequences", "evaluation_batch.batch_32.token_ms"),
            ("ms per token, 256 sequences", "evaluation_batch.batch_256.token_ms"),
            ("tokens per second, 256 sequences", "evaluation_batch.batch_256.tokens_per_second"),
        ),
    ),
    Point(
        "A whole step",
        "8.8 to 11.2 s on counting, with answers of 120 to 350 tokens; here 16 prompts × 8 completions of"
        " 128 to 256 tokens.",
        (
            ("rollout of 256 tokens, s", "grpo_step.rollout_seconds"),
            ("forward and backward, first time, s", "grpo_step.forward_backward_seconds_first"),
            ("forward and backward, s", "grpo_step.forward_backward_seconds"),
            ("share of the measured peak", "grpo_step.share_of_peak_forward_backward"),
            ("optimizer, s", "grpo_step.optimizer_seconds"),
            ("our step, all completions of 256 tokens, s", "trl_step.own_step_seconds"),
            ("TRL's step of the same shape, s", "trl_step.trl_step_seconds"),
            ("TRL ÷ ours", "trl_step.trl_by_own"),
        ),
    ),
    Point(
        "An interrupted training",
        "Bit-identical on a CPU. Not guaranteed on a GPU, where some kernels add in any order.",
        (
            ("same weights to the bit", "resume.same_weights_to_the_bit"),
            ("largest difference of weights", "resume.largest_difference_of_weights"),
            ("sampled twice the same", "correctness.sampled_twice_the_same"),
            ("gradients twice the same", "correctness.gradient_twice_the_same"),
        ),
    ),
)

HEAD = """# On a GPU

`make gpu-check` tests in under five minutes whether a machine's GPU does what the study needs, and how fast:
correctness against transformers' plain path on the CPU, attention kernels, one GRPO and one SFT step of a
random Qwen2-VL-2B, evaluation batches, a training that is killed and resumed, saving, and TRL's trainer on
the same shape. `make gpu-check ONLY="correctness attention"` runs some of its sections; each has its own time
limit. The measurements are written to `results/gpu-check/gpu_check.json`, or below `$OUT`.

It installs nothing and needs no network. Without `.venv` it uses `python3` with the wheels of
`tests/gpu/wheels.txt`. Download them beforehand with `make gpu-wheels` into `tests/gpu/wheels/` (for Python
3.12 on Linux x86-64), and copy that folder to the machine with the repository. On a machine without the
repository's history add `COMMIT=` with the commit's name.

`make gpu-page ADD=results/gpu-check/gpu_check.json` keeps the file in `docs/gpu/` and rewrites this page.
"""
NOTHING = """
**Nothing has been measured on a GPU yet.** All figures below are estimates: read from source code, counted on
a CPU, or computed from a card's data sheet. The check itself has only run on a CPU (`python
tests/gpu/check.py --cpu-tiny`); its CUDA branches, and Python 3.12 with the wheels, have never run.
"""
COSTS = """## What the study costs

*Estimates*, at 280 TFLOP/s, with answers of 120 to 350 tokens on average, the longest 300 to 512.
Qwen2-VL-2B has 2,208,985,600 parameters: 8.84 GB of fp32 weights, 26.51 GB with AdamW's moments.

| | s per step, counting / geometry | a run, hours |
|---|---|---|
| as it is | 8.8–11.2 / 11.9–14.1 | 11–14 / 3.3–3.9 |
| without cuDNN's plans (A) | 6.6–9.0 / 7.7–9.9 | 8.5–12 / 2.1–2.8 |
| with fast decoding, saving and pictures in the background (B, C, D) | 5.2 / 6.2 | 6.7 / 1.7 |

The whole study: 40 to 72 GPU-hours of GRPO, under one of SFT.
"""


def page(folder: Path) -> str:
    """The page's text from the reports in folder."""
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    lines = [HEAD, _measured(reports) if reports else NOTHING]
    for point in POINTS:
        lines.append(f"## {point.title}\n\n{fill(f'*Estimate:* {point.estimate}', 110)}\n")
        if reports:
            lines.append(_table(point, reports))
    return "\n".join([*lines, COSTS])


def keep(report: Path, folder: Path) -> Path:
    """Copy a report into folder, named by its card and commit."""
    text = report.read_text(encoding="utf-8")
    values = json.loads(text)
    if values["device"] != "cuda":
        sys.exit(f"{report}: was measured on the {values['device']}; this page is of GPUs")
    card = str(_value(values, "environment.card"))
    name = re.sub(r"[^a-z0-9]+", "-", f"{card} {values['commit']}".lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(text, encoding="utf-8")
    return file


def _measured(reports: list[dict[str, Any]]) -> str:
    lines = [
        "## What was measured\n",
        "| | card | when | commit | torch | sections |",
        "|---|---|---|---|---|---|",
    ]
    for number, report in enumerate(reports, 1):
        states: dict[str, list[str]] = {}
        for name, entry in report["sections"].items():
            states.setdefault(entry["status"], []).append(name)
        said = "; ".join(f"{state}: {', '.join(names)}" for state, names in states.items())
        packages = _value(report, "environment.packages")
        torch = packages["torch"] if isinstance(packages, dict) else "–"
        card = _value(report, "environment.card")
        lines.append(f"| {number} | {card} | {report['made']} | {report['commit']} | {torch} | {said} |")
    for number, report in enumerate(reports, 1):
        for name, entry in report["sections"].items():
            lines += [
                f"\n{number}, {name} failed: {value}, {what}." for value, what in entry["failed"].items()
            ]
            if "reason" in entry:
                lines.append(f"\n{number}, {name} {entry['status']}: {entry['reason']}.")
    return "\n".join(lines) + "\n"


def _table(point: Point, reports: list[dict[str, Any]]) -> str:
    numbers = " | ".join(str(number) for number in range(1, len(reports) + 1))
    lines = [f"| measured | {numbers} |", "|---|" + "---:|" * len(reports)]
    for label, path in point.values:
        found = " | ".join(_text(_value(report, path)) for report in reports)
        lines.append(f"| {label} | {found} |")
    return "\n".join(lines) + "\n"


def _value(report: dict[str, Any], path: str) -> Any:
    """None if the report has no such value."""
    section, *keys = path.split(".")
    found = report["sections"].get(section, {"values": {}})["values"]
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({count})" for name, count in value.items()) or "none"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", type=Path, metavar="FILE", help="a gpu_check.json to keep")
    arguments = parser.parse_args()
    if arguments.add:
        print(keep(arguments.add, DOCS / "gpu"))
    (DOCS / "gpu.md").write_text(page(DOCS / "gpu"), encoding="utf-8")


if __name__ == "__main__":
    main()
