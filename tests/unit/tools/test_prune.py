"""The list of what no study uses: complete, and never of what one of them does use. It deletes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from entry_points import program, run

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan import tables
from othink_mr1.tools.prune import find_unused, unused_lines
from repository import REPOSITORY, study


def test_what_is_declared_and_not_used_is_listed(tmp_path: Path) -> None:
    config = study(results=str(tmp_path))
    (name,) = (name for name in tables.raw_sets(config) if name.startswith("superclevr_all_images-"))
    with filling(tmp_path / "raw" / name, {}) as artefact:
        artefact.finish()
    assert [entry.path for entry in find_unused(tmp_path, [config])] == [tmp_path / "raw" / name]


def make(config: StudyConfig) -> set[Path]:
    """Something of every kind that the study uses."""
    root = Path(config.results)
    answers = tables.answers_by_folder(tables.answers(config))
    backbones = {row.backbone for row in tables.runs(config).values()}
    sets = {row.examples for row in (*tables.runs(config).values(), *answers.values())}
    sets |= {name for one in backbones for name in tables.backbones(config)[one].examples.values()}
    folders = [
        *(root / "raw" / raw for name in sets for raw in tables.data_sets(config)[name].raw),
        *(root / "data" / name for name in sets),
        *(root / "backbones" / name for name in backbones),
        *(root / "runs" / name for name in tables.runs(config)),
        *(root / "answers" / name for name in answers),
    ]
    for folder in folders:
        with filling(folder, {}) as artefact:
            if not artefact.complete:
                write_text(folder / "content", "x" * 1000)
                artefact.finish()
    files = [root / "scores" / name / f"{row.scores}.csv" for name, row in answers.items()]
    files += [root / "data" / "leaks" / f"{name}.csv" for name in tables.leak_pairs(config)]
    for file in files:
        write_sealed_text(file, "id\n")
    write_sealed_text(root / "same_task.csv", "id\n")
    return {*folders, *files}


def test_what_a_study_uses_is_not_listed(tmp_path: Path) -> None:
    config = study("mini/study.yaml", results=str(tmp_path))
    make(config)
    assert find_unused(tmp_path, [config]) == []
    first, _ = unused_lines([], ["config.yaml", "studies/seeds.yaml"])
    assert first == "unused by config.yaml, studies/seeds.yaml: 0, 0.0 MB; nothing was deleted"


def test_a_changed_value_leaves_the_former_branch_unused(tmp_path: Path) -> None:
    former = study("mini/study.yaml", results=str(tmp_path))
    methods = {"grpo": {"learning_rate": 0.5}}
    changed = study("mini/study.yaml", results=str(tmp_path), methods=methods)
    theirs, ours = make(former), make(changed)
    before = set(tmp_path.rglob("*"))
    unused = find_unused(tmp_path, [changed])
    assert {entry.path for entry in unused} == theirs - ours
    assert {entry.kind for entry in unused} == {"runs", "answers", "scores"}
    assert all(entry.bytes > 1000 for entry in unused if entry.kind == "runs")
    assert find_unused(tmp_path, [changed, former]) == []  # --keep-overlay
    assert set(tmp_path.rglob("*")) == before
    *lines, last, _ = unused_lines(unused, ["mini/study.yaml"])
    assert len(lines) == len(unused)
    assert last.startswith(f"unused by mini/study.yaml: {len(unused)}, ")


def test_further_studies_of_the_same_folder_are_kept_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("config.yaml", "studies", "mini"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    make(study("studies/readings.yaml", results=str(tmp_path / "results")))
    done = program("prune")  # once as it is started
    *_, last, _ = done.stdout.splitlines()
    assert last.startswith("unused by config.yaml, studies/baselines.yaml, ")
    assert "studies/readings.yaml" in last
    assert last.endswith(": 0, 0.0 MB; nothing was deleted")

    (tmp_path / "mine.yaml").write_text("results: ./results/\nseeds: [7]")
    make(study("studies/readings.yaml", results=str(tmp_path / "results"), seeds=[7]))
    assert run("prune", "--keep-overlay", "mine.yaml") is None
    *_, last, _ = capsys.readouterr().out.splitlines()
    assert "mine.yaml" in last
    (tmp_path / "mine.yaml").write_text("results: elsewhere")
    assert "its results are in elsewhere" in run("prune", "--keep-overlay", "mine.yaml")

    config = (REPOSITORY / "config.yaml").read_text().replace("sft-reasoning:", "sft-thinking:")
    (tmp_path / "own.yaml").write_text(config)
    assert run("prune", "--config", "own.yaml") is None
    assert "what only it uses is listed: studies/baselines.yaml" in capsys.readouterr().err


def test_what_is_being_written_and_what_is_somebodys_own_is_not_listed(tmp_path: Path) -> None:
    config = study("mini/study.yaml", results=str(tmp_path))
    make(config)
    write_text(tmp_path / "runs" / "notes" / "mine.txt", "mine")
    with filling(tmp_path / "runs" / "counting-sft-s1-0123456789", {}):
        assert find_unused(tmp_path, [config]) == []
    (left,) = find_unused(tmp_path, [config])  # nobody goes on with it
    assert left.path == tmp_path / "runs" / "counting-sft-s1-0123456789"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        find_unused(tmp_path / "none", [])
