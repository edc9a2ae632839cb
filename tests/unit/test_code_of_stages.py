"""Which code made a result, as its manifest tells, and which of it is another now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from othink_mr1.errors import UserError
from othink_mr1.study import plan
from othink_mr1.study.artefacts import filling
from othink_mr1.study.code_of_stages import (
    UNKNOWN,
    Stage,
    code_facts,
    computes,
    older_modules,
    stage_code,
    stage_digest,
)
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.lineage import run_lineage
from othink_mr1.study.load_config import load_study
from othink_mr1.study.manifests import write_sealed_text
from othink_mr1.study.module_digests import SCRIPTS, Modules
from othink_mr1.study.older_artefacts import OlderArtefact, older_artefacts
from othink_mr1.study.older_code import OlderCode
from othink_mr1.study.runs import all_runs

REPOSITORY = Path(__file__).parents[2]
PAPER = load_study([REPOSITORY / "config.yaml"])
SMOKE = load_study([REPOSITORY / "config.yaml", REPOSITORY / "tests" / "study.yaml"])
STAGES = [
    *(Stage(name) for name in ("render", "prepare", "pretrain", "train_sft", "generate")),
    *(Stage(name, scorer) for name in ("train_grpo", "score") for scorer in ("counting", "geometry")),
    Stage("fingerprint"),
    Stage("find_leaks"),
]
# Module -> the stages whose results it can change.
AFFECTS = {
    "data.rendering.scenes": {"render"},
    "data.prepare": {"prepare"},
    "training.kl_schedule": {"train_grpo counting", "train_grpo geometry"},
    "training.optimisation": {"pretrain", "train_sft", "train_grpo counting", "train_grpo geometry"},
    "modeling.tokenizer": {"pretrain", "train_sft", "train_grpo counting", "train_grpo geometry", "generate"},
    "evaluation.generate": {"generate"},
    "scoring.geometry": {"train_grpo geometry", "score geometry"},
    "scoring.scores": {"score counting", "score geometry"},
    "data.leaks": {"find_leaks"},
    "study.runs": set(),
    "study.artefacts": set(),
    "errors": set(),
    "exhibits.collect": set(),
}


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results root that keeps what was parsed of the modules as they are."""
    root = tmp_path_factory.mktemp("parsed")
    modules = Modules(SCRIPTS, root)
    plan.all_plans(of_root(PAPER, root), modules)
    modules.keep()
    return root


def of_root(config: StudyConfig, root: Path) -> StudyConfig:
    return config.model_copy(update={"results": str(root)})


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    copy = tmp_path / "workflow_scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def change(scripts: Path, module: str) -> None:
    path = scripts / "othink_mr1" / f"{module.replace('.', '/')}.py"
    path.write_text(path.read_text() + "\nCHANGED = True\n")


@pytest.mark.parametrize("module", AFFECTS)
def test_a_module_makes_the_results_of_its_stages_older(scripts: Path, parsed: Path, module: str) -> None:
    modules = Modules(scripts, parsed)
    before = {stage: stage_digest(stage, modules) for stage in STAGES}
    made = {stage: {"code": stage_code(stage, modules)} for stage in STAGES}
    change(scripts, module)
    modules = Modules(scripts, parsed)
    expected = {stage for stage in STAGES if str(stage) in AFFECTS[module]}
    assert {stage for stage in STAGES if stage_digest(stage, modules) != before[stage]} == expected
    older = {stage: older_modules(manifest, modules) for stage, manifest in made.items()}
    assert {stage: found for stage, found in older.items() if found} == dict.fromkeys(expected, (module,))


def test_a_module_that_is_gone_makes_older(scripts: Path, parsed: Path) -> None:
    manifest = {"code": stage_code(Stage("train_sft"), Modules(scripts, parsed))}
    (scripts / "othink_mr1" / "training" / "event_file.py").unlink()
    assert older_modules(manifest, Modules(scripts, parsed)) == ("training.event_file",)


def test_an_unknown_scorer_is_one_line() -> None:
    with pytest.raises(
        UserError, match=r"scorer 'geometri': unknown, there is no othink_mr1/scoring/geometri\.py"
    ):
        stage_code(Stage("score", "geometri"))


def test_what_tells_nothing_is_of_unknown_code() -> None:
    assert older_modules({}) == (UNKNOWN,)
    assert older_modules({"code": "text"}) == (UNKNOWN,)
    assert older_modules({"code": {}}) == ()


def test_all_that_is_recorded_is_of_the_stage_and_more_than_what_computes() -> None:
    code = stage_code(Stage("train_grpo", "geometry"))
    assert {"train_grpo", "training.loss", "scoring.surds", "study.artefacts"} <= set(code)
    assert not {"training.supervised", "scoring.counting", "exhibits.theme"} & set(code)
    assert {module for module in code if not computes(module)} >= {"othink_mr1", "errors", "study.versions"}


def test_code_of_several_jobs_is_told_in_full() -> None:
    first = code_facts({"a": "1", "b": "1"})
    assert first == {"code": {"a": "1", "b": "1"}}
    assert code_facts({"a": "1", "b": "1"}, [first]) == first
    second = code_facts({"a": "1", "b": "2", "c": "1"}, [first])
    assert second == {"code": {"a": "1", "b": "2", "c": "1"}, "earlier_code": {"b": ["1"]}}
    third = code_facts({"a": "2", "b": "1"}, [second])
    assert third == {"code": {"a": "2", "b": "1"}, "earlier_code": {"a": ["1"], "b": ["2"], "c": ["1"]}}
    # Of two, neither of which is known to this job.
    assert code_facts({"a": "3"}, [{"code": {"a": "1"}}, {"code": {"a": "2"}}])["earlier_code"] == {
        "a": ["1", "2"]
    }
    assert code_facts({"a": "1"}, [{"step": 3}])["earlier_code"] == {UNKNOWN: [""]}


def test_mixed_code_makes_older_whichever_is_there_now() -> None:
    now = {"training.loss": Modules().used_by(("training.loss",))["training.loss"]}
    mixed = code_facts(now, [{"code": {"training.loss": "0"}}])
    assert older_modules(mixed) == ("training.loss",)
    assert older_modules(code_facts({"training.loss": "0"}, [{"code": now}])) == ("training.loss",)
    assert older_modules(code_facts(now, [{"step": 1}])) == (UNKNOWN,)


def test_code_is_no_part_of_a_plans_identities(scripts: Path, parsed: Path) -> None:
    """A changed module changes what exhibits record of the code, and no name of a result."""
    config = of_root(PAPER, parsed)
    before = plan.all_plans(config, Modules(scripts, parsed))
    change(scripts, "training.loss")
    after = plan.all_plans(config, Modules(scripts, parsed))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == set(before) - {"figure2", "leaks", "data.counting", "data.geometry"}
    for name in before:
        assert {**before[name], "code": None} == {**after[name], "code": None}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("exhibits.figure4", {"figure4"}),
        ("exhibits.table1", {"table1"}),
        ("exhibits.reward_curves", {"reward_curves", "runs", "figure5"}),
        ("exhibits.leaks_table", {"leaks"}),
        ("exhibits.paper_numbers", None),
        ("study.slurm_cluster", set()),
        ("training.supervised", None),
    ],
)
def test_a_module_changes_the_plans_of_what_it_draws(
    scripts: Path, parsed: Path, module: str, expected: set[str] | None
) -> None:
    config = of_root(PAPER, parsed)
    before = plan.all_plans(config, Modules(scripts, parsed))
    change(scripts, module)
    after = plan.all_plans(config, Modules(scripts, parsed))
    changed = {name for name in before if before[name] != after[name]}
    if expected is None:
        assert {"table1", "same_task"} <= changed
        assert not {"leaks", "data.counting"} & changed
    else:
        assert changed == expected


def test_the_lineage_of_a_run_and_of_downloads() -> None:
    (grpo,) = [run for run in all_runs(SMOKE) if run.method == "grpo-d"]
    lineage = run_lineage(SMOKE, grpo)
    assert lineage[f"runs/{grpo.name}"] == Stage("train_grpo", "geometry")
    kinds = sorted(folder.partition("/")[0] for folder in lineage)
    assert kinds == ["backbones", "data", "data", "data", "raw", "raw", "raw", "runs"]
    paper = {folder for run in all_runs(PAPER) for folder in run_lineage(PAPER, run)}
    assert not any(folder.startswith(("raw/", "backbones/")) for folder in paper)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What the smoke study uses, with manifests alone, all made by the code that is there."""
    root = tmp_path / "results"
    for evaluation in plan.all_evaluations(SMOKE):
        for path, stage in plan.evaluation_lineage(SMOKE, evaluation).items():
            if not (root / path).exists():
                write(root / path, stage_code(stage))
    return root


def write(path: Path, code: dict[str, str] | None) -> None:
    facts = {} if code is None else {"code": code}
    if path.suffix == ".csv":
        write_sealed_text(path, "", facts)
        return
    shutil.rmtree(path, ignore_errors=True)
    with filling(path, {}) as artefact:
        artefact.finish(**facts)


def test_what_a_study_uses_of_older_code(results: Path) -> None:
    assert older_artefacts(results, SMOKE) == []
    (sft,) = [run for run in all_runs(SMOKE) if run.method == "sft"]
    backbone = next(folder for folder in run_lineage(SMOKE, sft) if folder.startswith("backbones/"))
    write(
        results / "runs" / sft.name, stage_code(Stage("train_sft")) | {"training.session": "0", "errors": "0"}
    )
    write(results / backbone, None)
    answers = next((results / "answers").glob("geometry-grpo-d-*/geometry-*"))
    write(answers, stage_code(Stage("generate")) | {"modeling.decoding": "0", "evaluation.generate": "0"})
    write(results / "runs" / "of-another-study", None)
    scores = next((results / "scores").glob("geometry-grpo-d-*/geometry-*/*.csv"))
    write(scores, stage_code(Stage("score", "geometry")) | {"scoring.surds": "0"})
    found = older_artefacts(results, SMOKE)
    assert sorted(found, key=lambda artefact: artefact.path) == [
        OlderArtefact(
            answers.relative_to(results).as_posix(),
            Stage("generate"),
            ("evaluation.generate", "modeling.decoding"),
        ),
        OlderArtefact(backbone, Stage("pretrain"), (UNKNOWN,)),
        OlderArtefact(f"runs/{sft.name}", Stage("train_sft"), ("training.session",)),
        OlderArtefact(scores.relative_to(results).as_posix(), Stage("score", "geometry"), ("scoring.surds",)),
    ]


def test_a_folder_that_is_gone_tells_nothing_and_a_damaged_manifest_not_what_code(results: Path) -> None:
    run = next((results / "runs").glob("geometry-*"))
    folder = f"runs/{run.name}"
    (run / "manifest.json").unlink()
    assert OlderCode(results).of([folder]) == []  # by the hidden copy
    (run / ".manifest.json").write_text(json.dumps({"code": {"training.loss": "0"}}))
    assert OlderCode(results).of([folder, "runs/none"]) == ["training.loss"]
    (run / ".manifest.json").write_text("{")
    assert OlderCode(results).of([folder]) == [UNKNOWN]
    shutil.rmtree(run)
    assert OlderCode(results).of([folder]) == []
