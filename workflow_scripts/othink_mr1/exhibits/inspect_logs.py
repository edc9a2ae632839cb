"""Answers as logs of Inspect (UK AI Security Institute), so that `inspect view` shows every sample.

A log `.eval` is a zip of JSON files: header.json, summaries.json, _journal/start.json and one file per
sample. Source: inspect_ai 0.3.285, log/_log.py and log/_recorders/eval.py, format version 2. It is written
with the standard library; tests/workflow/slow/test_inspect_logs.py reads it back with inspect_ai.
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.artefacts.atomic_files import written_aside
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.study import StudyConfig
from othink_mr1.data.examples import EXAMPLES_FILE, Example, read_examples
from othink_mr1.data.images import thumbnail
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.plan import tables
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.answers import Answer, read_answers

LONGEST_SIDE = 384  # pixels of a picture in the log
_EPOCH = 1  # greedy answers: each item is answered once
_SCORERS = {"r1v": "r1v_correct", "exact": "exact_correct", "format": "format_ok"}  # name -> column


@dataclass(frozen=True)
class Log:
    """A log that can be written: name of the file, folder of the answers, and what they are of."""

    name: str
    answers: Path
    scores: Path
    examples: Path
    task: str
    prompt: str


def logs_of(config: StudyConfig) -> Iterator[Log]:
    """The logs of a study: one for each checkpoint and tested task whose answers are there and scored."""
    results = Path(config.results)
    for folder, row in tables.answers_by_folder(tables.answers(config)).items():
        asked = json.loads(row.task)
        log = Log(
            name=f"{row.checkpoint}-{asked['name']}",
            answers=results / "answers" / folder,
            scores=results / "scores" / folder / f"{row.scores}.csv",
            examples=results / "data" / row.examples / EXAMPLES_FILE,
            task=asked["name"],
            prompt=asked["prompt"],
        )
        if (log.answers / MANIFEST).exists() and log.scores.exists():
            yield log


def write_log(log: Log, file: Path) -> int:
    """Write a log; returns the number of its samples.

    UserError if answers, scores or the test set are damaged or do not fit together.
    """
    answers_file = log.answers / "answers.jsonl"
    answers = {answer.id: answer for answer in read_answers(answers_file)}
    scores = read_scores(log.scores, log.task, answers_file).set_index("id")
    manifest = read_manifest(log.answers)
    summaries: list[dict[str, Any]] = []
    with written_aside(file) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        spec = _spec(log, manifest, len(answers))
        _write(archive, "_journal/start.json", {"version": 2, "eval": spec, "plan": _plan(log)})
        for example in read_examples(log.examples):
            if example.id in answers:
                score: Any = scores.loc[example.id]
                sample = _sample(log, example, answers[example.id], score)
                _write(archive, f"samples/{example.id}_epoch_{_EPOCH}.json", sample)
                summaries.append(_summary(sample))
        _write(archive, "summaries.json", summaries)
        _write(archive, "header.json", _header(log, spec, manifest, scores))
    return len(summaries)


def _write(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    # A fixed time: the same answers give the same log.
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, json.dumps(content, ensure_ascii=True))


def _spec(log: Log, manifest: Mapping[str, Any], items: int) -> dict[str, Any]:
    return {
        "created": manifest["made"],
        "task": log.task,
        "task_id": f"{log.task}@{manifest['run']}",
        "eval_id": log.name,
        "run_id": log.name,
        "dataset": {"name": log.examples.parent.name, "samples": items},
        "model": f"othink-mr1/{manifest['run']}",
        "config": {},
        "packages": manifest["packages"],
        "scorers": [{"name": name, "options": {}} for name in _SCORERS],
        "metadata": {"commit": manifest["commit"], "answers": log.answers.as_posix()},
    }


def _plan(log: Log) -> dict[str, Any]:
    return {"name": "greedy", "steps": [{"solver": "generate", "params": {"prompt": log.prompt}}]}


def _header(log: Log, spec: Mapping[str, Any], manifest: Mapping[str, Any], scores: pd.DataFrame) -> Any:
    results = [
        {
            "name": name,
            "scorer": name,
            "scored_samples": len(scores),
            "metrics": {"accuracy": {"name": "accuracy", "value": float(scores[column].mean())}},
        }
        for name, column in _SCORERS.items()
    ]
    return {
        "version": 2,
        "status": "success",
        "eval": spec,
        "plan": _plan(log),
        "results": {"total_samples": len(scores), "completed_samples": len(scores), "scores": results},
        "stats": {"started_at": manifest["made"], "completed_at": manifest["made"]},
    }


def _sample(log: Log, example: Example, answer: Answer, score: pd.Series[Any]) -> dict[str, Any]:
    given = answer_text(answer.completion)
    prompt = log.prompt.replace("{question}", answer.question)
    small = thumbnail(example.image, LONGEST_SIDE, "JPEG", f"{log.examples}, item {example.id}")
    picture = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
    user = {
        "role": "user",
        "content": [{"type": "image", "image": picture}, {"type": "text", "text": prompt}],
    }
    assistant = {"role": "assistant", "content": answer.completion, "source": "generate"}
    return {
        "id": example.id,
        "epoch": _EPOCH,
        "input": [user],
        "target": answer.gold,
        "messages": [user, assistant],
        "output": {
            "model": log.name,
            "choices": [{"message": assistant, "stop_reason": "max_tokens" if answer.truncated else "stop"}],
            "completion": answer.completion,
        },
        "scores": {
            name: {
                "value": "C" if score[column] else "I",
                "answer": given if isinstance(given, str) else None,
                "explanation": str(score["reason"]) or None,
            }
            for name, column in _SCORERS.items()
        },
        "metadata": {"outcome": str(score["outcome"]), "truncated": bool(score["truncated"])},
    }


def _summary(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample without its picture and its messages, for the list of samples."""
    (user,) = sample["input"]
    texts = [
        {"type": "text", "text": "(Image)"},
        *(part for part in user["content"] if part["type"] == "text"),
    ]
    kept = {key: sample[key] for key in ("id", "epoch", "target", "scores", "metadata")}
    return {**kept, "input": [{**user, "content": texts}], "completed": True, "message_count": 2}
