"""Pruning: what is unused is found and deleted, and nothing else ever is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from othink_mr1.artefacts.one_writer import one_writer, take
from othink_mr1.artefacts.verification import mark_of
from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.study.jobs import study_jobs
from othink_mr1.study.needs import needs_of
from othink_mr1.study.prune import Found, delete, find_unused, found_lines
from othink_mr1.study.workflow import Study
from placeholder_results import write_placeholders

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "workflow_scripts"
STUDY = [REPOSITORY / "config.yaml", REPOSITORY / "tests" / "study.yaml"]
DIGEST = "0123456789"


def study(results: Path, **changes: object) -> StudyConfig:
    return load_study(STUDY, {"results": str(results), **changes})


def slower(results: Path) -> StudyConfig:
    """The study with another learning rate of SFT: one run, its answers, its scores."""
    return study(results, methods={"sft": {"learning_rate": "1e-5"}})


@pytest.fixture(scope="module")
def _complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("complete") / "results"
    write_placeholders(slower(root), root)
    write_placeholders(study(root), root)
    return root


@pytest.fixture
def results(_complete: Path, tmp_path: Path) -> Path:
    """Results of the study, and of it with another learning rate before."""
    shutil.copytree(_complete, tmp_path / "results", symlinks=True)
    return tmp_path / "results"


def former(results: Path) -> list[Path]:
    """What only the study with the other learning rate uses: folders and files."""
    now = {file for job in study_jobs(Study(study(results))) for file in job.outputs}
    before = [file for job in study_jobs(Study(slower(results))) for file in job.outputs]
    return [results / file.removesuffix("/manifest.json") for file in before if file not in now]


def found(results: Path, *kept: StudyConfig) -> Found:
    return find_unused(results, kept or (study(results),))


def listing(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def only_run(results: Path) -> Path:
    (run,) = [path for path in former(results) if path.parent.name == "runs"]
    return run


def test_what_no_exhibit_uses_is_found_and_deleted(results: Path) -> None:
    unused = found(results)
    assert unused.left == []
    assert {entry.path for entry in unused.unused} == set(former(results))
    kinds = {"runs", "answers", "scores"}
    assert {entry.kind for entry in unused.unused} == kinds
    assert all(entry.bytes > 0 for entry in unused.unused)
    assert "unused: 5, " in list(found_lines(unused))[-1]
    for entry in unused.unused:
        delete(entry)
    assert found(results) == Found()
    assert not any(path.exists() for path in former(results))
    run = only_run(results).name
    assert not [path for path in listing(results) if run in path.name]  # nothing hidden either
    assert needs_of(Study(study(results))).to_run == []


def test_what_another_study_uses_stays(results: Path) -> None:
    assert found(results, study(results), slower(results)) == Found()


def test_all_but_the_raw_files_goes_with_another_preparation(results: Path) -> None:
    other = study(results, preparation={"max_pixels": 1000})
    kinds = {entry.kind for entry in found(results, other).unused}
    assert kinds == {"data", "backbones", "runs", "answers", "scores"}
    unused = {entry.path.relative_to(results).parts[:2] for entry in found(results, other).unused}
    assert {("data", "fingerprints"), ("data", "leaks")} <= unused
    assert not any(entry.path.suffix in (".md", ".svg") for entry in found(results, other).unused)


def test_states_logs_and_benchmarks_go_with_their_runs(results: Path) -> None:
    run = only_run(results)
    kept = next(path for path in (results / "runs").iterdir() if path != run and path.is_dir())
    gone = results / "runs" / f"counting-sft-s1-{DIGEST}"
    for name in (run, kept, gone):
        state = name.with_name(f".{name.name}.states") / "step-1"
        state.mkdir(parents=True)
        (state / "weights").write_text("12345")
        for place, suffix in (("logs", ".log"), ("benchmarks", ".tsv")):
            file = results / place / "train_sft" / f"{name.name}{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("line\n")
    unused = found(results)
    paths = {entry.path for entry in unused.unused}
    assert gone.with_name(f".{gone.name}.states") in paths
    assert results / "logs" / "train_sft" / f"{run.name}.log" in paths
    for entry in unused.unused:
        delete(entry)
    assert [path.name for path in results.glob("runs/.*.states")] == [f".{kept.name}.states"]
    assert [path.stem for path in results.glob("*/train_sft/*")] == [kept.name] * 2


def test_what_is_being_written_stays(results: Path) -> None:
    run = only_run(results)
    with one_writer(run):
        unused = found(results)
    (line,) = unused.left
    assert line.startswith(f"{run}: is being written by process {os.getpid()}")
    assert run not in {entry.path for entry in unused.unused}


def test_what_is_begun_after_the_listing_stays(results: Path) -> None:
    run = only_run(results)
    (entry,) = [entry for entry in found(results).unused if entry.path == run]
    with one_writer(run), pytest.raises(UserError, match="is being written by"):
        delete(entry)
    assert (run / "manifest.json").exists()


def test_an_unfinished_run_of_another_config_goes(results: Path) -> None:
    run = results / "runs" / f"counting-sft-s1-{DIGEST}"
    run.mkdir()
    mark_of(run).touch()
    (run / "metrics.csv").write_text("step\n")
    assert run in {entry.path for entry in found(results).unused}


def test_what_is_not_known_stays(results: Path) -> None:
    """Folders and files of somebody's, even with names or manifests like ours."""
    own = results / "runs" / "my-notes"
    alike = results / "runs" / f"looks-alike-{DIGEST}"
    foreign = results / "data" / f"set-{DIGEST}"
    for folder in (own, alike, foreign):
        folder.mkdir()
        (folder / "notes.txt").write_text("mine\n")
    (foreign / "manifest.json").write_text('{"files": {}}')
    mark_of(own).touch()
    for file in ("notes.csv", "runs/notes.txt", "scores/notes.csv", "logs/mine.log", "logs/mine/mine.log"):
        (results / file).parent.mkdir(parents=True, exist_ok=True)
        (results / file).write_text("mine\n")
    among = next(path for path in former(results) if path.suffix == ".csv").with_name("notes.csv")
    among.write_text("mine\n")
    before = listing(results)
    unused = found(results)
    assert {entry.path for entry in unused.unused} == set(former(results))
    assert sorted(line.split(": ")[0] for line in unused.left) == sorted(map(str, [foreign, own, among]))
    for entry in unused.unused:
        delete(entry)
    assert {
        path for path in before - listing(results) if "notes" in path.name or "mine" in path.name
    } == set()
    assert alike.is_dir()


def test_links_are_not_followed(results: Path, tmp_path: Path) -> None:
    run = only_run(results)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(run, elsewhere)
    run.symlink_to(elsewhere)
    answers = next(path for path in former(results) if path.parent.parent.name == "answers")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("1")
    (answers / "link").symlink_to(outside)
    (answers / "file").symlink_to(outside / "precious")
    unused = found(results)
    assert unused.left == [f"{run}: is reached through a link"]
    for entry in unused.unused:
        delete(entry)
    assert not answers.exists()
    assert (outside / "precious").read_text() == "1"
    assert (elsewhere / "manifest.json").exists()


def test_a_kind_behind_a_link_stays_and_a_linked_root_is_the_root(results: Path, tmp_path: Path) -> None:
    shutil.move(results / "runs", tmp_path / "scratch")
    (results / "runs").symlink_to(tmp_path / "scratch")
    unused = found(results)
    assert [line.rsplit(": ", 1)[1] for line in unused.left] == ["is reached through a link"]
    root = tmp_path / "root"
    root.symlink_to(results)
    linked = find_unused(root, [study(root)])
    assert len(linked.unused) == len(unused.unused) > 0


def test_the_miniature_within_is_left_alone(results: Path) -> None:
    mini = results / "mini"
    shutil.copytree(results / "runs", mini / "runs")
    assert not [entry for entry in found(results).unused if mini in entry.path.parents]


def test_interrupted_deleting_leaves_nothing_that_looks_complete(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = only_run(results)
    (entry,) = [entry for entry in found(results).unused if entry.path == run]

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        delete(entry)
    monkeypatch.undo()
    assert not (run / "manifest.json").exists()
    assert not (run / ".manifest.json").exists()
    (again,) = [entry for entry in found(results).unused if entry.path == run]
    delete(again)
    assert not run.exists()


def prune(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    overlay = results.parent / "here.yaml"
    overlay.write_text(f"results: {results}\n")
    command = [sys.executable, str(SCRIPTS / "prune.py"), "--config", str(STUDY[0])]
    overlays = ["--overlay", str(STUDY[1]), "--overlay", str(overlay)]
    return subprocess.run([*command, *overlays, *arguments], capture_output=True, text=True, check=False)


def test_the_command_deletes_only_when_told(results: Path) -> None:
    before = listing(results)
    listed = prune(results)
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[-1] == "nothing was deleted; --delete deletes what is listed"
    assert listing(results) == before
    other = results.parent / "other.yaml"
    other.write_text(f"results: {results}\nmethods: {{sft: {{learning_rate: 1e-5}}}}\n")
    spared = prune(results, "--keep-overlay", f"{STUDY[1]},{other}")
    assert spared.stdout.splitlines()[-1] == "nothing to delete"
    assert prune(results, "--delete").stdout.splitlines()[-1] == "deleted: 5"
    assert not any(path.exists() for path in former(results))


def test_nothing_is_deleted_while_a_snakemake_is_at_work(results: Path) -> None:
    before = listing(results)
    lock = take(results / "snakemake")
    try:
        assert prune(results).returncode == 0
        refused = prune(results, "--delete")
    finally:
        lock.release()
    assert refused.returncode == 1
    assert "another snakemake is at work here" in refused.stderr
    assert listing(results) == before


def test_no_results_folder_is_one_line(tmp_path: Path) -> None:
    done = prune(tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/nowhere: there is no such folder; check `results`, or run snakemake first"
    ]
