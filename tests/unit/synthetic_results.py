"""A results root as the workflow would leave it, made up: for the tests of collecting and drawing.

Answers are drawn at random with a given accuracy per evaluation and then really scored.
"""

import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image, ImageDraw

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.data.leaks import Leak, write_leaks
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.plans import StudyPlan
from othink_mr1.scoring.answers import Answer
from othink_mr1.scoring.scores import score_answers, write_scores
from othink_mr1.scoring.workers import shared_workers

BACKBONE = "small"
TASKS = ("counting", "geometry")
THIRD = "charts"
# (method, trained on) -> accuracy on (counting, geometry)
ACCURACY = {
    ("base", None): (0.41, 0.24),
    ("sft", "counting"): (0.78, 0.06),
    ("grpo", "counting"): (0.84, 0.22),
    ("grpo-d", "counting"): (0.93, 0.27),
    ("sft", "geometry"): (0.12, 0.55),
    ("grpo", "geometry"): (0.44, 0.46),
    ("grpo-d", "geometry"): (0.52, 0.50),
}
_SCORER = {THIRD: "geometry"}
STEPS = {"base": 0, "sft": 120, "grpo": 200, "grpo-d": 200}


@contextmanager
def three_tasks() -> Iterator[None]:
    """Within it, results have a third task."""
    more = {(method, THIRD): (0.3, 0.2, 0.7) for method in ("sft", "grpo", "grpo-d")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "TASKS", (*TASKS, THIRD))
        patch.setitem(globals(), "ACCURACY", {key: (*shares, 0.3) for key, shares in ACCURACY.items()} | more)
        yield


class SyntheticResults:
    """Writes data sets, answers, scores, runs and plans under a root. code: what their manifests name."""

    def __init__(self, root: Path, items: int = 24, seeds: tuple[int, ...] = (42,), skill: float = 1.0):
        self.root, self.items, self.seeds, self.skill = root, items, seeds, skill
        self.code: dict[str, str] = {}
        self.examples = {task: self._examples(task) for task in TASKS}

    def write_all(self) -> None:
        """Every plan of the paper's study."""
        self.study("same_task", [e for m, t in ACCURACY for e in self._final(m, t, [t] if t else TASKS)])
        self.study("cross_task", [e for m, t in ACCURACY for e in self._final(m, t, _others(t))])
        sweep = dict(zip((0.0, 0.25, 0.5, 0.75, 1.0), (0.33, 0.41, 0.44, 0.43, 0.47), strict=True))
        self.study("format_weight_sweep", [e for a, acc in sweep.items() for e in self._point(a, 0.04, acc)])
        sweep = dict(
            zip((0.0, 0.01, 0.02, 0.03, 0.04, 0.05), (0.38, 0.46, 0.49, 0.48, 0.47, 0.40), strict=True)
        )
        self.study("kl_weight_sweep", [e for b, acc in sweep.items() for e in self._point(1.0, b, acc)])
        curves = self._final("base", None, ["geometry"])
        for method, accuracies in (("sft", (0.3, 0.42, 0.49, 0.55)), ("grpo", (0.36, 0.41, 0.44, 0.46))):
            for number, accuracy in enumerate(accuracies, start=1):
                step = None if number == 4 else STEPS[method] * number // 4
                curves += [
                    self.evaluation(method, "geometry", "geometry", seed, accuracy, step=step)
                    for seed in self.seeds
                ]
        self.study("learning_curves", curves)
        self.runs()
        for number, study in ((3, "same_task"), (8, "cross_task")):
            plan = json.loads((self.root / f"plans/{study}.json").read_text())
            shown = {"proposed": "grpo-d", "against": "sft", "cases": 1}
            self._plan(f"figure{number}", {"studies": [plan], **shown})
        plan = json.loads((self.root / "plans/same_task.json").read_text())
        self._plan("figures.counts", {"studies": [plan]})
        self._plan("table1", {"proposed": "grpo-d", "baselines": ["base", "sft", "grpo"]})
        studies = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep")
        plans = [json.loads((self.root / f"plans/{study}.json").read_text()) for study in studies]
        self._plan("claims", {"studies": plans})
        self._plan("figure2", {"tasks": {t: _examples_entry(t) for t in TASKS}})

    def study(self, name: str, evaluations: list[dict]) -> None:
        """A study's plan."""
        self._plan(name, {"evaluations": evaluations})

    def evaluation(
        self, method, trained_on, tested_on, seed, accuracy, step=None, weights=(None, None)
    ) -> dict:
        """An entry of a plan, with its answers and scores written."""
        alpha, beta = weights if weights != (None, None) else _weights(method, trained_on)
        run = BACKBONE if method == "base" else f"{trained_on}-{method}-a{alpha}-b{beta}-s{seed}"
        checkpoint = run if step is None else f"{run}-step{step}"
        answers, scores = (f"{kind}/{checkpoint}/{tested_on}/{file}" for kind, file in _FILES)
        if not (self.root / scores).exists():
            self._answer(
                self.root / answers, self.root / scores, tested_on, accuracy * self.skill, checkpoint
            )
        return {
            "point": f"{trained_on}-{method}-a{alpha}-b{beta}-{step}-{tested_on}",
            "varied": {},
            "backbone": BACKBONE,
            "method": method,
            "trained_on": trained_on,
            "tested_on": tested_on,
            "seed": seed,
            "step": step,
            "steps": STEPS[method],
            "run": run,
            "format_weight": alpha,
            "kl_weight": beta,
            "kl_schedule": {"grpo": "constant", "grpo-d": "dynamic"}.get(method),
            "scores": scores,
            "answers": answers,
            "examples": f"data/{tested_on}/examples.parquet",
            "leaks": self._leaks(trained_on, tested_on) if trained_on else None,
        }

    def runs(self, steps: int = 100) -> None:
        """The runs of table 1 with metrics and manifests, and the plans of runs.csv and reward_curves.csv."""
        rows = []
        for method, task in ACCURACY:
            for seed in self.seeds if task else ():
                alpha, beta = _weights(method, task)
                run = f"{task}-{method}-a{alpha}-b{beta}-s{seed}"
                schedule = {"kind": "constant", "weight": beta} if method == "grpo" else {"kind": "dynamic"}
                grpo = {"trainer": "grpo", "learning_rate": 1e-6, "kl_schedule": schedule, "steps": steps}
                settings = grpo if method != "sft" else {"trainer": "sft", "checkpoint_steps": [30, 60]}
                rows.append(
                    {
                        "point": f"{task}-{method}-a{alpha}-b{beta}", "varied": {},
                        "backbone": BACKBONE, "run": run, "method": method, "task": task, "seed": seed,
                        "format_weight": alpha, "kl_weight": beta,
                        "kl_schedule": schedule["kind"] if method != "sft" else None,
                        "folder": f"runs/{run}", "settings": settings,
                    }
                )  # fmt: skip
                self._run(self.root / "runs" / run, method, steps, seed)
        self._plan("runs", {"runs": rows})
        self._plan("reward_curves", {"runs": [row for row in rows if row["method"] != "sft"]})

    def _final(self, method, trained_on, tested):
        seeds = self.seeds if trained_on else (None,)
        return [
            self.evaluation(method, trained_on, task, seed, ACCURACY[method, trained_on][TASKS.index(task)])
            for task in tested
            for seed in seeds
        ]

    def _point(self, alpha, beta, accuracy):
        varied = {"format_weight": f"{alpha:g}", "kl_schedule.weight": f"{beta:g}"}
        return [
            self.evaluation("grpo", "geometry", "geometry", seed, accuracy, weights=(alpha, beta))
            | {"varied": varied}
            for seed in self.seeds
        ]

    def _leaks(self, trained_on: str, tested_on: str) -> str:
        """The report of a pair: one shared item and two near ones within a task, none across."""
        path = f"data/leaks/{trained_on}--{tested_on}-1.csv"
        found = ["same", "near", "near"] if trained_on == tested_on else []
        leaks = [
            Leak(
                *(trained_on, tested_on, example.id, "000000", kind, 0, "same", "How many ?", "How many ?"),
                same_picture="000000" if kind == "same" else "",
            )
            for example, kind in zip(self.examples[tested_on], found, strict=False)
        ]
        write_leaks(self.root / path, leaks)
        return path

    def _plan(self, exhibit, plan):
        path = self.root / "plans" / f"{exhibit}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"exhibit": exhibit, "code": "not read", **plan}))

    @staticmethod
    def thinking(rng: random.Random) -> str:
        """The text before an answer."""
        return "The first row has 3 things, " * rng.randint(1, 14) + "and the sum follows."

    def _answer(self, answers: Path, scores: Path, task: str, accuracy: float, name: str) -> None:
        rng = random.Random(f"{name} {task}")
        rows = []
        for example in self.examples[task]:
            right = rng.random() < accuracy
            given = example.gold if right else ("11" if task == "counting" else "17°")
            tags = f"<think>{self.thinking(rng)}</think> <answer> {given} </answer>"
            completion = tags if rng.random() < 0.97 else tags.removeprefix("<think>")
            rows.append(Answer(example.id, task, example.question, example.gold, completion, truncated=False))
        with filling(answers.parent, {"run": name}) as artefact:
            answers.write_text("".join(json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows))
            artefact.finish(code=self.code)
        write_scores(
            scores, score_answers(rows, {task: _SCORER.get(task, task)}, shared_workers()), sha256_of(answers)
        )

    def _run(self, folder: Path, method: str, steps: int, seed: int) -> None:
        rng = random.Random(f"{folder.name}")
        columns = ["step", "loss", "accuracy_reward", "format_reward", "reward", "kl", "kl_weight"]
        columns = columns[:2] if method == "sft" else columns
        lines = [",".join(columns)]
        for step in range(1, steps + 1):
            done = step / steps
            accuracy = min(1, max(0, 0.25 + 0.25 * done + rng.gauss(0, 0.09)))
            format_reward = min(1, 0.55 + 0.44 * min(1, 4 * done) + rng.gauss(0, 0.04))
            row = [step, rng.random(), accuracy, format_reward, accuracy + format_reward, 0.02 * done, 0.01]
            lines.append(",".join(f"{value:.5g}" for value in row[: len(columns)]))
        facts = {"device": "CPU", "wall_seconds": 12.5, "gpu_hours": 0.0, "execution": {"row_tokens": 8}}
        with filling(folder, {"run": folder.name}) as artefact:
            (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
            artefact.finish(code=self.code, **facts)

    def _examples(self, task: str) -> list[Example]:
        rng = random.Random(task)
        rows = []
        for number in range(self.items):
            if task == "counting":
                count = rng.randint(3, 10)
                rows.append(
                    Example(f"c{number}", _scene(rng, count), "How many items are there?", str(count), None)
                )
            else:
                angle = 5 * rng.randint(4, 16)
                question = (
                    f"As shown in the figure, the points A, B and C lie on the circle with centre O; "
                    f"if angle AOB = {2 * angle}.0, then the size of angle ACB is ( )"
                )
                rows.append(Example(f"g{number}", _circle(rng), question, f"{angle}°", None))
        with filling(self.root / "data" / task, {"form": task}) as artefact:
            write_examples(rows, artefact.folder / "examples.parquet")
            artefact.finish(code=self.code)
        return rows


_FILES = (("answers", "answers.jsonl"), ("scores", "r1v-1.csv"))


def _examples_entry(task):
    return {"examples": f"data/{task}/examples.parquet"}


def _others(trained_on):
    return [task for task in TASKS if task != trained_on]


def _weights(method, task):
    if method == "grpo":
        return 1.0, 0.01 if task == "geometry" else 0.04
    return (1.0, None) if method == "grpo-d" else (None, None)


def _scene(rng, count):
    image = Image.new("RGB", (112, 112), (188, 188, 184))
    draw = ImageDraw.Draw(image)
    for cell in rng.sample(range(16), count):
        x, y = 28 * (cell % 4) + 4, 28 * (cell // 4) + 4
        shape = rng.choice([draw.ellipse, draw.rectangle])
        shape((x, y, x + 19, y + 19), fill=rng.choice(["#c33", "#27c", "#2a4", "#db2"]))
    return _png(image)


def _circle(rng):
    image = Image.new("RGB", (112, 112), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((16, 16, 96, 96), outline="black")
    for x in (20, 92):
        draw.line((56, 56, x, 80), fill="black")
        draw.line((56 + rng.randint(-12, 12), 16, x, 80), fill="black")
    return _png(image)


def _png(image):
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


HEADER = "id,task,format_ok,r1v_correct,exact_correct,outcome,reason,truncated\n"


def write_verdicts(root: Path, scores: str, examples: str, task: str, rows: list[str]) -> None:
    """Scores of made-up items, and their examples: a row for each, from `format_ok` on."""
    names = [f"{number:04d}" for number in range(len(rows))]
    lines = [f"{name},{task},{row}\n" for name, row in zip(names, rows, strict=True)]
    write_sealed_text(root / scores, HEADER + "".join(lines))
    write_examples([Example(name, name.encode(), "?", "1", None) for name in names], root / examples)


def collected(plan: list[dict], root: Path) -> pd.DataFrame:
    """A study, without a check of weights, which these made-up runs do not have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("othink_mr1.exhibits.read_points.has_other_weights", lambda *_: False)
        return collect_study(StudyPlan.model_validate({"exhibit": "same_task", "evaluations": plan}), root)
