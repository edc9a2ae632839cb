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
    """A part of the code on a GPU: what it costs at least, before and now by estimate, and as measured."""

    title: str
    floor: str
    before: str
    now: str
    bound: str  # what limits it now
    values: tuple[tuple[str, str], ...]  # (label with unit, `section.value` or `section.value.part`)


POINTS = (
    Point(
        "A. Attention",
        floor="2 to 3 % of an update's operations",
        before="padded batches, which torch gives to cuDNN on Hopper. cuDNN makes a plan for every new "
        "shape, 23 to "
        "42 ms by public reports, and nearly every group is one: 2.5 s a step on counting, 4.4 s on geometry",
        now="flash attention of sequences of any length, no plans; 33 launches a layer, forward and "
        "backward, instead "
        "of 105 (docs/launches.md)",
        bound="launches",
        values=(
            ("a group's operators", "attention.operators_of_a_group"),
            ("prompts' operators", "attention.operators_of_prompts_alone"),
            ("output against padded batches, relative", "attention.output_difference_from_padded"),
            ("new shape, first call, ms", "attention.new_shape_first_ms_own"),
            ("new shape, second call, ms", "attention.new_shape_second_ms_own"),
            ("padded batches: first, ms", "attention.new_shape_first_ms_padded"),
            ("padded batches: second, ms", "attention.new_shape_second_ms_padded"),
            ("host memory for the new shapes, MB", "attention.host_mb_for_new_shapes_own"),
            ("padded batches: MB", "attention.host_mb_for_new_shapes_padded"),
        ),
    ),
    Point(
        "B. Decoding",
        floor="1.2 ms a token: 3.66 GB at 3 TB/s, the weights and the keys and values in use",
        before="8 to 10 ms a token for any batch size: 1,128 launches",
        now="3 to 4 ms a token: 14 launches, one of them a graph of 748 operators, and 5.74 GB "
        "(docs/launches.md)",
        bound="bytes, and about 2 µs from one kernel of the graph to the next",
        values=(
            ("ms per token, early", "grpo_step.token_ms_early"),
            ("ms per token, late", "grpo_step.token_ms_late"),
            ("launches per token", "grpo_step.launches_per_token"),
            ("kernels per token", "grpo_step.kernels_per_token"),
            ("GPU ms per token", "grpo_step.gpu_ms_per_token"),
            ("sampler, ms", "grpo_step.sampler_ms"),
            ("tokens per second", "grpo_step.tokens_per_second"),
            (
                "log-probabilities of sampled tokens against packed rows, largest difference",
                "correctness.sampled_log_probability_difference_bf16",
            ),
        ),
    ),
    Point(
        "C. Saving",
        floor="nothing, if the disk is written while the GPU computes",
        before="26.5 GB per state copied, hashed and written while the training waits: 40 to 75 s every 50 "
        "steps, "
        "10 to 20 % of the time",
        now="copied into pinned memory, 1 to 2 s every 30 minutes, and written by a thread: about 0.1 %",
        bound="the copy from the card",
        values=(
            ("first copy, s", "saving.first_copy_seconds"),
            ("later copies, GB/s", "saving.copy_gb_per_second"),
            ("so the training waits with the 2B model, s", "saving.training_waits_seconds_of_the_2b_model"),
            ("an update beside a write ÷ alone", "saving.update_beside_a_write_by_alone"),
            ("writing and hashing, GB/s", "saving.saving_gb_per_second"),
            ("so the thread writes the 2B model's, s", "saving.writing_seconds_of_the_2b_model"),
            ("checking, GB/s", "saving.checking_gb_per_second"),
            ("sha256, GB/s", "saving.sha256_gb_per_second"),
            ("into ordinary memory, GB/s", "saving.to_ordinary_memory_gb_per_second"),
            ("into pinned memory, GB/s", "saving.to_pinned_memory_gb_per_second"),
        ),
    ),
    Point(
        "D. Pictures",
        floor="nothing, if they are prepared while the GPU computes",
        before="prepared one by one while the GPU waits, 23 ms each at 480 × 320 on two CPU cores: 0.4 s "
        "per GRPO "
        "step, 3 s per SFT step",
        now="those of the next step prepared by threads while the GPU computes. They hold Python's lock for "
        "a fifth of the time, so seven are 4.7 times as fast as one: 0.1 s and 0.6 s",
        bound="in SFT with large pictures the CPU: 128 of 117 ms take 3.2 s",
        values=(
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
        floor="one call of attention a layer",
        before="transformers' path reads lengths back from the GPU for q, k and v in each of 32 layers",
        now="read back once; one call a layer for all pictures",
        bound="arithmetic",
        values=(
            ("operators", "attention.operators_of_the_vision_tower"),
            ("prefill, s", "grpo_step.prefill_seconds"),
        ),
    ),
    Point(
        "F. Precision",
        floor="fp32 weights and AdamW: bf16 weights would lose every update at a learning rate of 1e-6",
        before="bf16 products; the reference is an fp32 copy that is cast at every call",
        now="the same, with the reference's matrices in bf16 once and for all; the same bits",
        bound="–",
        values=(
            ("log-probabilities, fp32, largest difference", "correctness.log_probability_difference_fp32"),
            ("log-probabilities, bf16, largest difference", "correctness.log_probability_difference_bf16"),
            ("gradients, fp32, largest relative difference", "correctness.gradient_difference_fp32"),
            ("sampled completions that are the CPU's", "correctness.sampled_equal_share"),
            ("reference, s", "grpo_step.reference_seconds"),
        ),
    ),
    Point(
        "G. Memory",
        floor="35.3 GB: weights, gradients and AdamW's two moments in fp32",
        before="44.2 GB static; 56 to 58 GB at the peak with row_tokens 8192 and checkpointing",
        now="40.2 GB static, of which the reference is 4.9 GB; 48.5 GB at the peak (docs/cost.md)",
        bound="activations of a row, with row_tokens",
        values=(
            ("reference, GB", "grpo_step.gb_of_reference"),
            ("static, GB", "grpo_step.gb_static"),
            ("peak of the update, GB", "grpo_step.gb_peak_of_update"),
            ("peak of the rollout, GB", "grpo_step.gb_peak_of_rollout"),
            ("peak of SFT, GB", "sft_step.gb_peak"),
        ),
    ),
    Point(
        "H. Evaluation",
        floor="as B: a token of 256 sequences costs about as much as one of 32",
        before="32 sequences at a time",
        now="what the free memory holds: on 80 GB 512, on 40 GB 504 of counting's and 192 of geometry's",
        bound="as B",
        values=(
            ("batch by the rule, bf16", "evaluation_batch.batch_by_the_rule_bf16"),
            ("batch by the rule, fp32", "evaluation_batch.batch_by_the_rule_fp32"),
            ("ms per token, 32 sequences", "evaluation_batch.batch_32.token_ms"),
            ("ms per token, 256 sequences", "evaluation_batch.batch_256.token_ms"),
            ("tokens per second, 256 sequences", "evaluation_batch.batch_256.tokens_per_second"),
        ),
    ),
    Point(
        "A whole step",
        floor="1.1 s: 0.7 PFLOP (docs/cost.md) at the data sheet's 989 TFLOP/s, and 350 tokens of 1.2 ms",
        before="8.8 to 11.2 s on counting, with answers of 120 to 350 tokens",
        now="3.0 to 3.2 s by docs/cost.md, which leaves out launches and sampling; 5.2 s on counting and "
        "6.2 s on geometry by an earlier estimate. Measured here: 16 prompts × 8 completions of 128 to 256 "
        "tokens",
        bound="arithmetic of the update, then decoding",
        values=(
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
        floor="bit-identical, as on a CPU",
        before="not guaranteed on a GPU, where some kernels add in any order",
        now="the same",
        bound="–",
        values=(
            ("same weights to the bit", "resume.same_weights_to_the_bit"),
            ("largest difference of weights", "resume.largest_difference_of_weights"),
            ("sampled twice the same", "correctness.sampled_twice_the_same"),
            ("sampled in bf16 twice the same", "correctness.sampled_in_bf16_twice_the_same"),
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
**Nothing has been measured on a GPU yet.** All figures below are estimates for an H100 and Qwen2-VL-2B: read
from source code, counted on a CPU, or computed from a card's data sheet. The check itself has only run on a
CPU (`python tests/gpu/check.py --cpu-tiny`). Never run: flash attention and the graph of decoding
(`modeling/varlen_attention.py`, `fixed_batch.py`; the tests replace their operators by plain arithmetic), the
copy into pinned memory, the check's CUDA branches, and Python 3.12 with the wheels.
"""
COSTS = """## What the study costs

[cost.md](cost.md) has it run by run, computed from the config. For the code as it was before, estimated were
40 to 72 GPU-hours: 8.8 to 14.1 s a step, 11 to 14 hours for a run on counting and 3.3 to 3.9 on geometry.
"""


def page(folder: Path) -> str:
    """The page's text from the reports in folder."""
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    lines = [HEAD, _measured(reports) if reports else NOTHING]
    for point in POINTS:
        lines.append(f"## {point.title}\n")
        told = {"floor": point.floor, "before, estimated": point.before, "now, estimated": point.now}
        for name, text in (told | {"bound by": point.bound}).items():
            lines.append(fill(f"- **{name}**: {text}", 110, subsequent_indent="  "))
        lines.append("")
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
