"""The smoke study: every rule and exhibit really runs, a second time nothing does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

import warm_python
from forked_snakemake import run_forked
from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.config.load import load_study
from othink_mr1.data.examples import read_examples
from othink_mr1.plan.exhibits import named_exhibits
from snakemake_runs import copy_repository, job_counts, run_snakemake

pytestmark = pytest.mark.smoke

SMOKE = ["--configfile", "tests/study.yaml", "--cores", "3"]
SECONDS = 120


class Finished(NamedTuple):
    checkout: Path
    results: Path
    process: subprocess.CompletedProcess[str]
    seconds: float


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    checkout = copy_repository(tmp_path_factory.mktemp("smoke"))
    # The first import after installation reads a gigabyte from disk: that is not the study's time.
    warm_up = "import torch, transformers.models.qwen2_vl.modeling_qwen2_vl, altair, math_verify, vl_convert"
    subprocess.run([sys.executable, "-c", warm_up], check=True)
    started = time.monotonic()
    process = run_snakemake(checkout, [*SMOKE, "all"], timeout=600)
    return Finished(checkout, checkout / "results" / "smoke", process, time.monotonic() - started)


def test_every_rule_runs_in_time(smoke: Finished) -> None:
    assert smoke.process.returncode == 0, smoke.process.stdout[-4000:] + smoke.process.stderr[-4000:]
    rules = set(run_forked(smoke.checkout, [*SMOKE, "--list-rules"]).stdout.split())
    ran = set(job_counts(smoke.process.stdout + smoke.process.stderr)) - {"total"}
    names = set(named_exhibits(load_study([smoke.checkout / name for name in ("config.yaml", SMOKE[1])])))
    assert names < rules
    # What is rendered is not downloaded, no backbone is in a folder of the user's, and a name only stands for
    # the files of an exhibit.
    not_here = {"download", "download_dataset", "download_backbone", "import_backbone"}
    assert rules - names - ran == not_here
    assert smoke.seconds < SECONDS


def test_every_exhibit_is_there(smoke: Finished) -> None:
    studies = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep", "learning_curves")
    for name in (*studies, "reward_curves", "runs", "claims"):
        assert len(pd.read_csv(smoke.results / f"{name}.csv")) > 0, name
    for number in range(1, 9):
        for kind in ("svg", "pdf", "png", "md", "tex", "csv"):
            assert (smoke.results / "figures" / f"figure{number}.{kind}").stat().st_size > 0
    for kind in ("md", "tex"):
        assert (smoke.results / "tables" / f"table1.{kind}").stat().st_size > 0


def test_every_job_has_log_and_benchmark(smoke: Finished) -> None:
    counts = job_counts(smoke.process.stdout + smoke.process.stderr)
    jobs = counts["total"] - counts["all"]
    assert len(list(smoke.results.glob("benchmarks/**/*.tsv"))) == jobs
    assert len(list(smoke.results.glob("logs/**/*.log"))) == jobs


def test_every_artefact_has_a_true_manifest(smoke: Finished) -> None:
    manifests = list(smoke.results.glob("*/**/manifest.json"))
    folders = {path.relative_to(smoke.results).parts[0] for path in manifests}
    assert folders == {"raw", "data", "backbones", "runs", "answers"}
    for path in manifests:
        manifest = json.loads(path.read_text())
        assert manifest["packages"]
        for name, file in manifest["files"].items():
            assert (path.parent / name).stat().st_size == file["bytes"]


def test_every_column_is_described(smoke: Finished) -> None:
    """docs/columns.md, by the names of its sections; `…` stands for the settings' own names."""
    sections = dict(_sections((smoke.checkout / "docs" / "columns.md").read_text()))
    study = sections["`<study>.csv`"]
    for file in smoke.results.rglob("*.csv"):
        place = file.relative_to(smoke.results)
        found = [text for name, text in sections.items() if _is_about(name, place)]
        assert found, place
        described = {name for text in found for name in re.findall(r"`([^`]+)`", text)}
        if place.parts[0] == "figures" or place.name == "reward_curves.csv":
            (metrics,) = (text for name, text in sections.items() if "metrics.csv" in name)
            compared = (text for name, text in sections.items() if "<study>_" in name)
            described |= set(re.findall(r"`([^`]+)`", "".join([study, metrics, *compared])))
        if place.name in ("runs.csv", "scorer_audit.csv"):
            described |= set(re.findall(r"`([^`]+)`", study))
        if place.name == "runs.csv":
            continue  # its settings' names are the config's
        columns = pd.read_csv(file, nrows=0).columns
        assert set(columns) <= described, (place, set(columns) - described)


def _sections(text: str) -> list[tuple[str, str]]:
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _is_about(name: str, place: Path) -> bool:
    """Whether a section's name, such as `data/<set>/unusable_rows.csv`, is of a file."""
    for pattern in re.findall(r"`([^`]+)`", name):
        if re.fullmatch(re.sub(r"<[^>]+>", "[^/]+", pattern), place.as_posix()):
            return True
    return False


def test_rewards_spread_and_weights_move(smoke: Finished) -> None:
    (backbone,) = smoke.results.glob("backbones/*/model.safetensors")
    runs = list(smoke.results.glob("runs/geometry-grpo*"))
    assert len(runs) == 5
    for run in runs:
        metrics = pd.read_csv(run / "metrics.csv")
        assert (metrics.reward_std > 0).all()
        assert (metrics.gradient_norm > 0).all()
        weights = [run / part / "model.safetensors" for part in ("checkpoint-1", "checkpoint")]
        assert len({path.read_bytes() for path in (backbone, *weights)}) == 3


def test_all_of_it_is_verified_and_sound(smoke: Finished) -> None:
    """Also that runs and answers were made of the weights and examples that are there."""
    command = [sys.executable, "workflow_scripts/verify_results.py", "--overlay", "tests/study.yaml"]
    done = subprocess.run(command, cwd=smoke.checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *kinds, last = done.stdout.splitlines()
    assert last.startswith("results/smoke: all that is finished is sound (")
    counts = {kind: int(count) for kind, count, *_ in (line.split() for line in kinds)}
    assert counts["runs"] == len(list(smoke.results.glob("runs/*/manifest.json"))) > 0
    sealed = (smoke.results.glob(f"{place}/.*.{MANIFEST}") for place in (".", "tables", "figures", "data"))
    assert counts["exhibits"] == sum(len(list(files)) for files in sealed) > 0
    assert counts["scores"] == counts["answers"] == len(list(smoke.results.glob("scores/*/*/*.csv"))) > 0


def test_snakemake_packs_a_report(smoke: Finished) -> None:
    """Of what is there: no network, and every figure with its caption."""
    packed = smoke.checkout / "report.zip"
    done = run_forked(smoke.checkout, [*SMOKE, "all", "--report", str(packed)])
    assert done.returncode == 0, done.stderr[-4000:]
    with zipfile.ZipFile(packed) as files:
        names = {Path(name).name for name in files.namelist()}
        (page,) = (
            files.read(name).decode() for name in files.namelist() if name.endswith("report/report.html")
        )
    figures = {path.name for path in smoke.results.glob("figures/*.svg")}
    assert len(figures) >= 10
    assert figures | {"claims.csv", "table1.md", "same_task.csv"} <= names
    assert "its numbers end in .csv" in page
    packed.unlink()


def test_a_second_time_nothing_is_to_be_done(smoke: Finished) -> None:
    again = run_forked(smoke.checkout, [*SMOKE, "all"])
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_deleted_snakemake_folder_and_a_touch_rerun_no_training(smoke: Finished) -> None:
    for path in (smoke.checkout / "workflow_scripts").rglob("*.py"):
        path.touch()
    for path in smoke.results.glob("data/*/*"):
        path.touch()
    shutil.rmtree(smoke.checkout / ".snakemake")
    plan = run_forked(smoke.checkout, [*SMOKE, "-n", "all"])
    assert plan.returncode == 0
    rerun = set(job_counts(plan.stdout))
    assert not {rule for rule in rerun if rule.startswith(("train_", "generate_", "score_", "pretrain_"))}


def test_a_change_and_its_way_back(smoke: Finished) -> None:
    change = ["--config", "methods={grpo-d: {kl_schedule: {maximum: 0.05}}}"]
    changed = job_counts(run_forked(smoke.checkout, [*SMOKE, "-n", "all", *change]).stdout)
    assert {rule: count for rule, count in changed.items() if rule.startswith("train_")} == {"train_grpo": 1}
    back = job_counts(run_forked(smoke.checkout, [*SMOKE, "-n", "all"]).stdout)
    assert not {rule for rule in back if rule.startswith(("train_", "generate_", "score_"))}


def test_a_parse_writes_nothing(smoke: Finished) -> None:
    before = {path: path.lstat().st_mtime_ns for path in smoke.results.rglob("*")}
    sft_alone = ["--config", "studies={same_task: {methods: [sft]}}"]
    plan = run_forked(smoke.checkout, [*SMOKE, "-n", "all", *sft_alone])
    assert "collect_study" in job_counts(plan.stdout)
    assert {path: path.lstat().st_mtime_ns for path in smoke.results.rglob("*")} == before


def test_a_result_from_the_future_is_named_before_work_starts(smoke: Finished) -> None:
    file = smoke.results / "same_task.csv"
    now = file.stat().st_mtime
    os.utime(file, (time.time() + 2 * 86400,) * 2)
    before = {path: path.lstat().st_mtime_ns for path in smoke.results.rglob("*")}
    done = run_forked(smoke.checkout, [*SMOKE, "all"])
    assert done.returncode != 0
    assert f"{file.relative_to(smoke.checkout)}: its time is 2 days in the future" in done.stderr
    assert before.items() <= {path: path.lstat().st_mtime_ns for path in smoke.results.rglob("*")}.items()
    os.utime(file, (now, now))


def test_a_checkpoint_given_away_answers_as_the_workflow_did(smoke: Finished, tmp_path: Path) -> None:
    """By transformers alone, every item of both tasks; the card has the accuracies of the csv."""
    (run,) = smoke.results.glob("runs/geometry-sft-s42-*")
    command = [sys.executable, "workflow_scripts/export.py", "--overlay", "tests/study.yaml"]
    command += ["--run", run.name, "--output", str(tmp_path / "model")]
    done = subprocess.run(command, cwd=smoke.checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    weights = [folder / "model.safetensors" for folder in (tmp_path / "model", run / "checkpoint")]
    assert len({path.read_bytes() for path in weights}) == 1

    config = load_study([smoke.checkout / name for name in ("config.yaml", SMOKE[1])])
    asked, expected = [], []
    for answers in smoke.results.glob(f"answers/{run.name}/*/answers.jsonl"):
        task = config.tasks[answers.parent.name.rpartition("-")[0]]
        (examples,) = smoke.results.glob(f"data/{task.test}-*/examples.parquet")
        pictures = {example.id: example.image for example in read_examples(examples)}
        for answer in map(json.loads, answers.read_text().splitlines()):
            image = tmp_path / f"{len(asked)}.png"
            image.write_bytes(pictures[answer["id"]])
            text = task.test_prompt.replace("{question}", answer["question"])
            asked.append({"image": str(image), "text": text, "tokens": task.max_new_tokens})
            expected.append(answer["completion"])
    assert len(asked) == 32
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    program = Path(__file__).parents[1] / "answer_by_transformers.py"
    alone = [sys.executable, "-I", str(program), str(tmp_path / "model"), str(tmp_path / "asked.jsonl")]
    answered = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout) == expected

    card = (tmp_path / "model" / "README.md").read_text()
    table = pd.concat(pd.read_csv(smoke.results / f"{name}.csv") for name in ("same_task", "cross_task"))
    rows = table[(table.method == "sft") & (table.trained_on == "geometry")].drop_duplicates("tested_on")
    assert len(rows) == 2
    for row in rows.to_dict("records"):
        assert f"| {row['tested_on']} | {row['items']} | {100 * row['r1v_accuracy']:.2f} [" in card


def test_another_generation_length_regenerates_that_task_and_retrains_nothing(smoke: Finished) -> None:
    longer = ["--config", "tasks={geometry: {max_new_tokens: 4}}"]
    before = {path: path.read_bytes() for path in smoke.results.glob("answers/*/*/answers.jsonl")}
    asked = [*SMOKE, "results/smoke/learning_curves.csv", *longer]
    done = run_snakemake(smoke.checkout, asked, timeout=300, variables=warm_python.variables())
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    ran = job_counts(done.stdout + done.stderr)
    assert not {rule for rule in ran if rule.startswith(("train_", "pretrain_"))}
    assert sum(count for rule, count in ran.items() if rule.startswith("generate_")) == 4
    assert {path: path.read_bytes() for path in before} == before


def test_two_runs_that_ask_for_a_gpu_do_not_run_together(smoke: Finished) -> None:
    # Of so many steps that they would be seen to run together.
    asked = ["--config", "execution={train: {gpus: 1}}", "seeds=[1,2]", "methods={sft: {steps: 40}}"]
    plan = run_forked(smoke.checkout, [*SMOKE, "-n", "results/smoke/same_task.csv", *asked])
    runs = re.findall(r"output: (\S+/runs/geometry-sft-\S+)", plan.stdout)
    assert len(runs) == 2
    variables = warm_python.variables()
    done = run_snakemake(smoke.checkout, [*SMOKE, *runs, *asked], timeout=300, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    spans = []
    for run in runs:
        manifest = json.loads((smoke.checkout / run).read_text())
        end = datetime.fromisoformat(manifest["made"]).timestamp()
        spans.append((end - manifest["wall_seconds"], end))
    (_, first_end), (second_start, _) = sorted(spans)
    assert second_start >= first_end


def test_four_trainings_on_four_cards_run_together(smoke: Finished, tmp_path: Path) -> None:
    """The cards are pretended. Each training has its own."""
    cards = {"TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "0,1,2,3"} | warm_python.variables()
    # Of so many steps that none has ended, and freed its card, before the last one takes its own.
    longer = "methods={sft: {steps: 20}}"
    asked = ["--config", "execution={train: {gpus: 1}}", "seeds=[3,4,5,6]", longer]
    plan = run_forked(smoke.checkout, [*SMOKE, "-n", "results/smoke/same_task.csv", *asked])
    runs = re.findall(r"output: (\S+/runs/geometry-sft-\S+)", plan.stdout)
    assert len(runs) == 4
    together = ["--resources", "gpu=4", "--cores", "4"]
    done = run_snakemake(smoke.checkout, [*SMOKE, *together, *runs, *asked], timeout=300, variables=cards)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    logs = [Path(run).parent.name for run in runs]
    said = [(smoke.results / "logs/train_sft" / f"{log}.log").read_text() for log in logs]
    assert sorted(text.partition("card ")[2][0] for text in said) == ["0", "1", "2", "3"]
