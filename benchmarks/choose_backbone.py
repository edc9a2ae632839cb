"""The miniature's backbone, chosen by a rule on held-out items: how many steps it is pretrained.

    PYTHONPATH=workflow_scripts .venv/bin/python -m benchmarks.choose_backbone FOLDER STEPS [STEPS ...]

Pretrains mini/study.yaml's backbone once for each number of steps, just as the workflow does (the learning
rate falls to 0 at the last step, so none is a part of another), and measures it on held-out sets of its own
kinds of pictures: neither its own items nor any that the tasks train or test on. FOLDER keeps sets and
backbones; a second call with the same settings measures them only.

Accuracy is r1v's, as in the tables. Samples are drawn as GRPO draws them (its temperature and top_k), 8 a
question; pass@8 is the share of questions with a right answer among them. The format rate is the samples'.

The rule: the fewest steps with, on both tasks, a greedy accuracy of 25 to 40 %, a pass@8 of at least 80 %,
and a format rate of 50 to 70 %. Prints Markdown; docs/lab-notes.md has it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from othink_mr1.config.load import load_study
from othink_mr1.config.methods import GRPO
from othink_mr1.config.settings import merged_settings, validate_settings
from othink_mr1.config.sources import RenderedSource, SmallBackbone, TableSource
from othink_mr1.config.study import StudyConfig
from othink_mr1.data.examples import EXAMPLES_FILE, Example, read_examples
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.rendering.render_source import render_source
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.data.tables import Table
from othink_mr1.evaluation.batch_size import ON_CPU
from othink_mr1.evaluation.generate import Backbone, answer
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion
from othink_mr1.modeling.backbone import load_backbone
from othink_mr1.modeling.prompts import PromptMaker, fill_template
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.task_scorers import load_scorer
from othink_mr1.training.pretraining import pretrain_backbone
from othink_mr1.training.rollout import roll_out

HELD_OUT = {"counting": "held_out_scenes", "geometry": "held_out_geometry"}
ACCURACY, PASS_AT_8, FORMAT = (0.25, 0.40), 0.80, (0.50, 0.70)
SEED = 1  # of the samples
PROMPTS_AT_A_TIME = 32


@dataclass(frozen=True)
class Measured:
    """Shares of a task's held-out questions (of their samples: format), 0 to 1."""

    greedy: float
    pass_at_8: float
    format: float
    greedy_format: float

    def passes(self) -> bool:
        """Whether the rule's bounds hold."""
        return (
            ACCURACY[0] <= self.greedy <= ACCURACY[1]
            and self.pass_at_8 >= PASS_AT_8
            and FORMAT[0] <= self.format <= FORMAT[1]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("steps", type=int, nargs="+")
    parser.add_argument("--threads", type=int, help="another number than the study's pretraining has")
    arguments = parser.parse_args()
    config = load_study([Path("config.yaml"), Path("mini/study.yaml")])
    settings = config.backbones[config.backbone]
    assert isinstance(settings, SmallBackbone)
    execution = config.execution.pretrain
    execution = execution.model_copy(update={"cpus": arguments.threads or execution.cpus})
    own = {
        name: prepared(config, share.source, arguments.folder) for name, share in settings.pretraining.items()
    }
    held_out = {
        task: list(read_examples(prepared(config, source, arguments.folder)))
        for task, source in HELD_OUT.items()
    }
    chosen = None
    print("| steps | task | greedy accuracy | pass@8 | format, sampled | format, greedy | within the rule |")
    print("|---|---|---|---|---|---|---|")
    for steps in sorted(arguments.steps):
        output = arguments.folder / f"backbone-{steps}"
        pretrain_backbone(settings.model_copy(update={"steps": steps}), execution, own, output)
        loaded = load_backbone(output, "cpu")
        results = {task: measured(config, task, loaded, examples) for task, examples in held_out.items()}
        for task, result in results.items():
            shares = (result.greedy, result.pass_at_8, result.format, result.greedy_format)
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            print(f"| {steps} | {task} | {cells} | {'yes' if result.passes() else 'no'} |", flush=True)
        if chosen is None and all(result.passes() for result in results.values()):
            chosen = steps
    print(f"\nThe rule takes {chosen or 'none of these'}.")


def prepared(config: StudyConfig, name: str, folder: Path) -> Path:
    """The examples of a rendered source; made if they are not there."""
    source = config.sources[name]
    assert isinstance(source, RenderedSource)
    raw, out = folder / "raw" / name, folder / "data" / name
    render_source(source, raw)
    limits = RowLimits(config.preparation.max_pixels, config.preparation.max_prompt_tokens)
    prepare_dataset(Table(raw, TableSource()), out, limits, largest_unusable_share=0.0)
    return out / EXAMPLES_FILE


def measured(config: StudyConfig, task: str, loaded: Backbone, examples: list[Example]) -> Measured:
    """Greedy answers and samples of a task's held-out questions."""
    declared = config.tasks[task]
    scorer = load_scorer(declared.scorer)
    asked = GenerationTask(
        name=task,
        prompt=declared.test_prompt,
        max_new_tokens=declared.max_new_tokens,
    )
    answers: dict[int, Completion] = {}
    answer(*loaded, examples, asked, ON_CPU, "fp32", answers.__setitem__)
    greedy = [answers[index].completion for index in range(len(examples))]
    samples = sampled(config, task, loaded, examples)
    return Measured(
        greedy=fmean(scorer.r1v_correct(text, e.gold) for text, e in zip(greedy, examples, strict=True)),
        pass_at_8=fmean(
            any(scorer.r1v_correct(text, e.gold) for text in texts)
            for texts, e in zip(samples, examples, strict=True)
        ),
        format=fmean(format_followed(text) for texts in samples for text in texts),
        greedy_format=fmean(map(format_followed, greedy)),
    )


def sampled(config: StudyConfig, task: str, loaded: Backbone, examples: list[Example]) -> list[list[str]]:
    """Each question's samples, as GRPO's first rollout would draw them."""
    model, processor = loaded
    grpo = validate_settings(merged_settings(config.methods, "grpo", task))
    assert isinstance(grpo, GRPO)
    maker = PromptMaker(model, processor)
    texts: list[list[str]] = []
    for start in range(0, len(examples), PROMPTS_AT_A_TIME):
        some = examples[start : start + PROMPTS_AT_A_TIME]
        questions = [fill_template(config.tasks[task].train_prompt, example.question) for example in some]
        prompts = maker.make([example.image for example in some], questions)
        drawn = roll_out(model, processor, prompts, grpo, SEED, start).texts
        texts += [drawn[i : i + grpo.group_size] for i in range(0, len(drawn), grpo.group_size)]
    return texts


if __name__ == "__main__":
    main()
