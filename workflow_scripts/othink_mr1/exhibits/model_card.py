"""A run's model card, in the hub's form: what the checkpoint is, was trained on, and answers rightly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.config.sources import HubBackbone, HubSource
from othink_mr1.config.study import StudyConfig
from othink_mr1.exhibits.accuracy_intervals import mean_accuracy
from othink_mr1.exhibits.data_card import TEST, TRAIN, sources_table, verbatim
from othink_mr1.exhibits.labels import method_label
from othink_mr1.exhibits.plans import DataCardPlan, StudyPlan
from othink_mr1.exhibits.read_points import read_points
from othink_mr1.exhibits.text import markdown_table, markdown_text
from othink_mr1.plan.data import data_card_plan, raw_parts
from othink_mr1.plan.evaluations import Evaluation, all_evaluations, scores_file
from othink_mr1.plan.exhibits import evaluations_plan
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import Run

PAPER = "https://arxiv.org/abs/2503.16081"

_USE = """\
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

folder = "."  # this folder, or the repository's name
processor = AutoProcessor.from_pretrained(folder)  # needs torchvision
processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")  # as in training
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.{dtype})
prompt = {prompt!r}
question = "..."
content = [{{"type": "image"}}, {{"type": "text", "text": prompt.replace("{{question}}", question)}}]
dialogue = processor.apply_chat_template([{{"role": "user", "content": content}}], add_generation_prompt=True)
inputs = processor(text=[dialogue], images=[Image.open("my.png").convert("RGB")], return_tensors="pt")
tokens = model.generate(**inputs, do_sample=False, max_new_tokens={tokens})
print(processor.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))"""


def model_card(config: StudyConfig, run: Run, precision: str) -> str:
    """The card's Markdown. precision: of the weights as they are given away, fp32 or bf16.

    UserError if the run, a set of its task, or scores that are there are damaged.
    """
    assert run.task is not None
    results = Path(config.results)
    manifest = read_manifest(results / "runs" / run.name)
    backbone = config.backbones[run.backbone]
    base = read_manifest(results / backbone_folder(config, run.backbone))
    scored = [
        evaluation
        for evaluation in all_evaluations(config)
        if evaluation.run.name == run.name and evaluation.step is None
        if (results / scores_file(config, evaluation)).exists()
    ]
    task = config.tasks[run.task]
    use = _USE.format(
        dtype={"fp32": "float32", "bf16": "bfloat16"}[precision],
        prompt=task.test_prompt,
        tokens=task.max_new_tokens,
    )
    name = backbone.repository if isinstance(backbone, HubBackbone) else run.backbone
    licence = base.get("licence")
    blocks = [
        ["---", _header(config, run, licence), "---"],
        [f"# {markdown_text(run.name, 200)}"],
        [
            f"{markdown_text(name)}, trained on the task {markdown_text(run.task)} by "
            f"{markdown_text(method_label(run.method))} (seed {run.seed}), in a reproduction of "
            f"[OThink-MR1]({PAPER}). The reproduction's authors are not the paper's. Weights: {precision}. "
            f"Licence of the backbone: {markdown_text(str(licence or 'not stated'))}."
        ],
        ["## Accuracy"],
        *_accuracies(config, run, scored, results),
        ["## Data"],
        _data(config, run, scored, results),
        ["## Use"],
        ["With transformers, torch, torchvision and Pillow:"],
        verbatim(use),
        [
            f"Pictures were scaled down to at most {config.preparation.max_pixels} pixels, for training and "
            "for tests. The prompt of the training:"
        ],
        verbatim(task.train_prompt),
        ["## Settings"],
        _settings(manifest["run"]),
        ["## Made by"],
        _made_by(manifest),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _header(config: StudyConfig, run: Run, licence: str | None) -> str:
    """The YAML that the hub reads; only what is known."""
    assert run.task is not None
    backbone = config.backbones[run.backbone]
    sources = (config.sources[name] for name in raw_parts(config, config.tasks[run.task].train).values())
    data: Any = ModelCardData(
        base_model=backbone.repository if isinstance(backbone, HubBackbone) else None,
        datasets=[source.repository for source in sources if isinstance(source, HubSource)] or None,
        library_name="transformers",
        license=licence,
        pipeline_tag="image-text-to-text",
        tags=["othink-mr1", run.settings.trainer],
    )
    return str(data.to_yaml()).strip()


def _accuracies(config: StudyConfig, run: Run, scored: list[Evaluation], results: Path) -> list[list[str]]:
    if not scored:
        return [["Not tested yet."]]
    plan = StudyPlan.model_validate(evaluations_plan(config, run.name, scored))
    rows = []
    for point in read_points(plan, results):
        scores = point.scores()
        verdicts = (scores.r1v_correct, scores.exact_correct, scores.format_ok)
        said = [mean_accuracy(correct, scores.pictures) for correct in verdicts]
        rows.append(
            [
                markdown_text(point.entries[0].tested_on),
                str(len(scores.items)),
                *(f"{100 * one.value:.2f} [{100 * one.low:.1f}–{100 * one.high:.1f}]" for one in said),
            ]
        )
    return [
        markdown_table(["tested on", "items", "published scorer", "exact scorer", "format"], rows, right=4),
        [
            "In percent, of greedy answers; brackets: 95 % intervals over items, of this one seed. The "
            "published scorer is R1-V's, with its bugs. Format: answers in think and answer tags."
        ],
    ]


def _data(config: StudyConfig, run: Run, scored: list[Evaluation], results: Path) -> list[str]:
    assert run.task is not None

    def plan_of(task: str) -> DataCardPlan:
        return DataCardPlan.model_validate(data_card_plan(config, task))

    tested = dict.fromkeys(evaluation.tested_on for evaluation in scored)
    sets = [(TRAIN, plan_of(run.task).train), *((f"{TEST} ({task})", plan_of(task).test) for task in tested)]
    return sources_table(sets, results)


def _settings(run: Mapping[str, Any]) -> list[str]:
    settings = run["settings"]
    rows = [[f"`{key}`", f"`{value}`"] for key, value in settings.items()]
    return markdown_table(["setting", "value"], rows)


def _made_by(manifest: Mapping[str, Any]) -> list[str]:
    rows = [
        ["workflow's commit", str(manifest.get("commit") or "unknown")],
        ["run's digest", str(manifest.get("digest"))],
        ["finished", str(manifest.get("made"))],
        ["device", str(manifest.get("device"))],
        ["wall time", f"{manifest.get('wall_seconds', 0) / 3600:.2f} hours"],
        ["packages", ", ".join(f"{name} {version}" for name, version in manifest["packages"].items())],
    ]
    return markdown_table(["", ""], [[name, markdown_text(value, 400)] for name, value in rows])
