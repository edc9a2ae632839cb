"""Every test item with every run's answer and verdicts, small enough for one page.

Packed: JSON, compressed, in base64; pictures as one block of bytes per task. Sizes are bounded: pictures by
PICTURE_BYTES for all tasks together, completions by LONGEST characters each.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.images import thumbnail
from othink_mr1.exhibits.labels import method_styles
from othink_mr1.exhibits.plans import EvaluationEntry
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.exhibits.text import visible
from othink_mr1.plan.runs import varied_text
from othink_mr1.report.inputs import Inputs
from othink_mr1.scoring.answers import read_answers

PICTURE_BYTES = 12 * 2**20  # of all pictures together, a third more in base64
SIDES = (384, 320, 256, 192, 160, 128, 96)  # pixels of a picture's longer side, the first that fits
LONGEST = 2000  # characters of a completion; a longer one is cut in the middle
_PROBES = 48  # pictures that are encoded to estimate a side's size
FORMAT_OK, R1V, EXACT = 1, 2, 4  # bits of a verdict


@dataclass(frozen=True)
class ItemRun:
    """A run's answers to a task's items, in the items' order. right: by the published scorer."""

    method: str
    trained_on: str
    setting: str
    file: str
    completions: list[str]
    verdicts: list[int]
    reasons: list[str]

    @property
    def right(self) -> list[bool]:
        return [bool(verdict & R1V) for verdict in self.verdicts]


@dataclass(frozen=True)
class TaskItems:
    """A task's test items, and the runs that answered them."""

    task: str
    examples: list[Example]
    runs: list[ItemRun]


def task_items(inputs: Inputs) -> list[TaskItems]:
    """The items of each tested task: answers of the runs of table 1 and figure 7, of the lowest seed."""
    by_task: dict[str, list[EvaluationEntry]] = {}
    for entry in inputs.evaluations("same_task", "cross_task"):
        by_task.setdefault(entry.tested_on, []).append(entry)
    found = []
    for task, entries in by_task.items():
        examples = list(read_examples(inputs.results / entries[0].examples))
        order = list(method_styles({entry.method for entry in entries}))
        entries = sorted(entries, key=lambda entry: order.index(entry.method))
        runs = [_run(inputs.results, entry, examples) for entry in entries]
        found.append(TaskItems(task, examples, runs))
    return found


def _run(results: Path, entry: EvaluationEntry, examples: Sequence[Example]) -> ItemRun:
    file = results / entry.answers
    answers = {answer.id: answer for answer in read_answers(file) if answer.task == entry.tested_on}
    scores = read_scores(results / entry.scores, entry.tested_on, file).set_index("id")
    completions, verdicts, reasons = [], [], []
    for example in examples:
        if example.id not in answers:  # the answers are of a smaller set
            completions.append("")
            verdicts.append(0)
            reasons.append("not asked")
            continue
        score: Any = scores.loc[example.id]
        bits = FORMAT_OK * score.format_ok + R1V * score.r1v_correct + EXACT * score.exact_correct
        completions.append(answers[example.id].completion)
        verdicts.append(int(bits))
        reasons.append(
            "" if score.outcome == "correct" else f"{score.outcome.replace('_', ' ')}{_why(score)}"
        )
    return ItemRun(
        entry.method,
        entry.trained_on or "",
        varied_text(entry.varied),
        entry.answers,
        completions,
        verdicts,
        reasons,
    )


def _why(score: Any) -> str:
    return f": {visible(score.reason)}" if score.reason else ""


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"


def packed_items(task: TaskItems) -> str:
    """The items and answers as base64 of compressed JSON; the same items give the same text."""
    content = {
        "task": task.task,
        "id": [example.id for example in task.examples],
        "question": [visible(example.question) for example in task.examples],
        "gold": [visible(example.gold) for example in task.examples],
        "runs": [
            {
                "method": run.method,
                "trained_on": run.trained_on,
                "setting": run.setting,
                "file": run.file,
                "answer": [_cut(visible(completion)) for completion in run.completions],
                "verdict": run.verdicts,
                "reason": run.reasons,
            }
            for run in task.runs
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", "surrogatepass"), 9, mtime=0)).decode()


@dataclass(frozen=True)
class Pictures:
    """Pictures of items, one behind the other. ends: of each, in bytes. side: the longest in pixels."""

    data: str
    ends: list[int]
    side: int


def pictures(tasks: Sequence[TaskItems]) -> list[Pictures]:
    """The pictures of each task. Equal pictures of neighbouring items are stored once each time."""
    everything = [(task, example) for task in tasks for example in task.examples]
    side = _side(everything)
    found = []
    for task in tasks:
        block, ends = io.BytesIO(), []
        for example in task.examples:
            block.write(_small(task, example, side))
            ends.append(block.tell())
        found.append(Pictures(base64.b64encode(block.getvalue()).decode(), ends, side))
    return found


def _side(everything: Sequence[tuple[TaskItems, Example]]) -> int:
    """The largest side at which all pictures fit, by the mean size of some that are spread over all."""
    probes = sorted(everything, key=lambda one: zlib.crc32(one[1].image))[:_PROBES]
    for side in SIDES:
        mean = sum(len(_small(*one, side)) for one in probes) / max(1, len(probes))
        if mean * len(everything) <= PICTURE_BYTES:
            return side
    return SIDES[-1]


def _small(task: TaskItems, example: Example, side: int) -> bytes:
    return thumbnail(example.image, side, "WEBP", f"{task.task} item {example.id}")
