"""make verify: every file is read anew, all damage is named, what is nobody's artefact is left alone."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from damage import flip, truncate
from entry_points import program
from small_results import (
    BACKBONE,
    DATA,
    EXHIBITS,
    FINGERPRINTS,
    LEAKS,
    RAW,
    RUN,
    SCORED,
    SCORES,
    answers,
    write_answers,
    write_run,
    write_small_results,
)

from othink_mr1.artefacts import verification
from othink_mr1.artefacts.artefact import filling, write_manifest
from othink_mr1.artefacts.atomic_files import sha256_of, write_text
from othink_mr1.artefacts.manifests import MANIFEST, manifest_beside, seal
from othink_mr1.artefacts.verification import verify_folder
from othink_mr1.errors import UserError
from othink_mr1.tools import verify as verify_results
from othink_mr1.tools.verify import Report, report_lines
from repository import REPOSITORY

COUNTS = {
    "raw": 1,
    "data": 3,
    "backbones": 1,
    "runs": 1,
    "answers": 3,
    "scores": 1,
    "exhibits": len(EXHIBITS),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_results(tmp_path_factory.mktemp("whole") / "results")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "results"))


def verify(root: Path) -> Report:
    return verify_results.verify_results(root)


def counts(report: Report) -> dict[str, int]:
    return {kind: count for kind, (count, _) in report.sound.items()}


def test_sound_results_are_counted_with_their_size(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    report = verify(root)
    assert (report.damaged, report.unfinished, report.leftovers) == ([], [], [])
    assert counts(report) == COUNTS
    sizes = {kind: size for kind, (_, size) in report.sound.items()}
    assert sizes["backbones"] == len("weights") * 2
    assert sizes["exhibits"] == sum((root / name).stat().st_size for name in EXHIBITS)
    sets = ("data/scenes-123456789a/examples.parquet", FINGERPRINTS, LEAKS)
    assert sizes["data"] == sum((root / name).stat().st_size for name in sets)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before  # only read
    *table, last = report_lines(root, report)
    assert re.fullmatch(rf"exhibits +{len(EXHIBITS)} sound +0\.0 MB", table[-1])
    assert last == f"{root}: all that is finished is sound (23 folders and files)"


def listed_files(root: Path) -> list[Path]:
    """Every file that a manifest lists."""
    folders = [path.parent for path in root.rglob(MANIFEST)]
    files = [folder / name for folder in folders for name in verify_folder(folder)["files"]]
    names = [*EXHIBITS, SCORES, FINGERPRINTS, LEAKS]
    return [*files, *(root / name for name in names)]


def test_every_file_counts(root: Path) -> None:
    """Flipped and truncated, each alone: one fault, which names it and what to delete."""
    files = listed_files(root)
    assert len(files) == 26
    for path in files:
        data = path.read_bytes()
        for damage in (flip, truncate):
            damage(path)
            (message,) = verify(root).damaged
            assert message.startswith(f"{path}: ")
            assert f"; delete {path}" in message or "; restore it from a copy, or delete " in message
            assert message.endswith("run snakemake again")
            path.write_bytes(data)
    assert verify(root).damaged == []


def test_every_manifest_counts(root: Path) -> None:
    manifests = list(root.rglob(f"*{MANIFEST}"))
    assert len(manifests) == 7 + 16
    for path in manifests:
        data = path.read_bytes()
        flip(path)
        (message,) = verify(root).damaged
        assert message.startswith(f"{path}: ")
        assert message.endswith(("run snakemake again", "another results folder with this one"))
        path.write_bytes(data)
    assert verify(root).damaged == []


def test_it_goes_on_after_damage_and_says_what_is_sound(root: Path) -> None:
    flip(root / BACKBONE / "model.safetensors")
    (root / BACKBONE / "config.json").unlink()
    write_text(root / BACKBONE / "stray", "x")
    flip(root / SCORES)
    report = verify(root)
    assert [message.split(": ")[0] for message in report.damaged] == [
        str(root / name)
        for name in (
            f"{BACKBONE}/stray",
            f"{BACKBONE}/config.json",
            f"{BACKBONE}/model.safetensors",
            SCORES,
        )
    ]
    assert counts(report) == COUNTS | {"backbones": 0, "scores": 0}
    lines = list(report_lines(root, report))
    assert "damaged: 4" in lines
    assert lines[-1] == f"{root}: 21 are sound, 4 faults were found"


def test_a_disk_that_fails_does_not_end_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> str:
        if path.name in ("config.json", "same_task.csv"):
            raise OSError(5, "Input/output error", str(path))
        return sha256_of(path)

    monkeypatch.setattr(verification, "sha256_of", broken)
    flip(root / BACKBONE / "model.safetensors")
    report = verify(root)
    unread = "cannot be read (Input/output error); check its permissions and its disk"
    first, second, third = report.damaged
    assert (first, third) == (f"{root / BACKBONE}/config.json: {unread}", f"{root}/same_task.csv: {unread}")
    assert second.startswith(f"{root / BACKBONE}/model.safetensors: its sha256 is not the manifest's")
    assert counts(report) == COUNTS | {"backbones": 0, "exhibits": 12}


class TestUnfinished:
    """What has no manifest is no damage, and is said."""

    def test_a_folder_that_nobody_fills(self, root: Path) -> None:
        with filling(root / "runs" / "new", {}):
            write_text(root / "runs" / "new" / "metrics.csv", "step\n")
        report = verify(root)
        assert report.damaged == []
        assert report.unfinished == [
            f"{root}/runs/new: was left unfinished, nobody fills it now; snakemake goes on with it if "
            "it needs it"
        ]
        assert counts(report) == COUNTS

    def test_a_folder_that_is_being_filled(self, root: Path) -> None:
        with filling(root / answers("new"), {}):
            report = verify(root)
        (message,) = report.unfinished
        assert message.startswith(f"{root / answers('new')}: is being filled by process {os.getpid()} on ")

    @pytest.mark.parametrize("name", [RAW, DATA, BACKBONE, f"runs/{RUN}", answers(RUN)])
    def test_a_lost_manifest_of_what_was_complete(self, root: Path, name: str) -> None:
        (root / name / MANIFEST).unlink()
        report = verify(root)
        assert report.unfinished == []
        (message,) = report.damaged
        assert message.startswith(f"{root / name}: was complete and has lost its {MANIFEST}; restore that")

    @pytest.mark.parametrize("name", [SCORES, FINGERPRINTS, LEAKS, *EXHIBITS])
    def test_a_deleted_file(self, root: Path, name: str) -> None:
        (root / name).unlink()
        report = verify(root)
        assert report.damaged == []
        assert report.unfinished == [
            f"{root / name}: was deleted, only its manifest is left; snakemake makes it again"
        ]

    @pytest.mark.parametrize("name", [SCORES, FINGERPRINTS, LEAKS, *EXHIBITS])
    def test_a_file_without_its_manifest_may_be_damaged(self, root: Path, name: str) -> None:
        manifest_beside(root / name).unlink()
        (message,) = verify(root).damaged
        assert message.startswith(f"{root / name}: has no {manifest_beside(root / name).name} beside it")


def test_the_second_csv_of_a_comparison_counts_without_its_manifest(root: Path) -> None:
    write_text(root / "plans/tournament_comparison-0123456789.json", "{}")
    write_text(root / "tournament_seeds.csv", "a\n")
    write_text(root / "my_seeds.csv", "the user's\n")
    (message,) = verify(root).damaged
    assert message.startswith(f"{root}/tournament_seeds.csv: has no .tournament_seeds.csv.manifest.json")


def test_a_study_may_be_called_as_if_it_were_a_figure_of_the_paper(root: Path) -> None:
    for name in ("figure9", "table2"):
        write_text(root / f"plans/{name}-0123456789.json", "{}")
        write_text(root / f"{name}.csv", "a\n")
    assert [message.partition(":")[0] for message in verify(root).damaged] == [
        f"{root}/{name}.csv" for name in ("figure9", "table2")
    ]


def test_leftovers_of_interrupted_writes(root: Path) -> None:
    left = {
        ".same_task.csv.0a1b2c3d.partial": 3,
        "figures/.figure6.png.0a1b2c3d.partial": 2_500_000,
        f"data/leaks/{'.a--b-1.csv'}.0a1b2c3d.partial": 5,
        "inspect/.a-counting.eval.0a1b2c3d.partial": 13,
        f"runs/{RUN}/.checkpoint.0a1b2c3d.partial/.model.safetensors.4e5f6071.partial": 7,
        f"runs/.{RUN}.states/.step-5.0a1b2c3d.partial/x": 11,
    }
    for name, size in left.items():
        write_text(root / name, "x" * size)
    report = verify(root)
    assert report.damaged == []
    assert [(str(path.relative_to(root)), size) for path, size in report.leftovers] == [
        (".same_task.csv.0a1b2c3d.partial", 3),
        ("data/leaks/.a--b-1.csv.0a1b2c3d.partial", 5),
        ("figures/.figure6.png.0a1b2c3d.partial", 2_500_000),
        ("inspect/.a-counting.eval.0a1b2c3d.partial", 13),
        (f"runs/.{RUN}.states", 11),
        (f"runs/{RUN}/.checkpoint.0a1b2c3d.partial", 7),
    ]
    lines = list(report_lines(root, report))
    assert "left by interrupted writes: 6, 2.5 MB; they can be deleted while no snakemake runs" in lines
    assert f"  {root}/figures/.figure6.png.0a1b2c3d.partial (2.5 MB)" in lines


def test_what_is_nobodys_artefact_is_left_alone(root: Path) -> None:
    """The miniature's root lies within the paper's; people keep notes and drawings beside their results."""
    write_small_results(root / "mini")
    flip(root / "mini" / SCORES)
    own = [
        "notes.csv",
        "figures/figure6.html",
        "figures/mine.svg",
        "tables/mine.md",
        "data/mine/rows.parquet",
    ]
    for name in (*own, "data/mine.md", "leaks.csv", "figure6.csv", "runs/notes.txt", "bench/speed.csv"):
        write_text(root / name, "mine")
    report = verify(root)
    assert (report.damaged, report.unfinished, report.leftovers) == ([], [], [])
    assert counts(report) == COUNTS


class TestOtherOrigins:
    """Sound answers of weights that are not there any more."""

    def remake(self, root: Path, folder: str) -> None:
        shutil.rmtree(root / folder)

    def test_a_run_that_was_trained_again(self, root: Path) -> None:
        self.remake(root, f"runs/{RUN}")
        write_run(root, "other")
        report = verify(root)
        assert report.damaged == [
            f"{root / answers(name)}: made of other weights than its run has now; delete "
            f"{root / answers(name)} and run snakemake again, or bring the former weights back"
            for name in (RUN, f"{RUN}-step5")
        ]
        assert counts(report) == COUNTS | {"answers": 1}
        write_answers_again(root, RUN)
        assert len(verify(root).damaged) == 1

    @pytest.mark.parametrize("fault", ["deleted", "damaged", "unfinished"])
    def test_weights_that_are_not_there_are_unknown(self, root: Path, fault: str) -> None:
        run = root / "runs" / RUN
        if fault == "deleted":
            shutil.rmtree(run)
        elif fault == "damaged":
            flip(run / "checkpoint" / "model.safetensors")
        else:
            (run / MANIFEST).unlink()
        report = verify(root)
        assert not [message for message in report.damaged if "made of other" in message]
        assert counts(report)["answers"] == 3

    def test_answers_that_were_edited_with_their_manifest(self, root: Path) -> None:
        file = root / SCORED
        file.write_text(file.read_text().replace('"3"', '"4"'))
        write_manifest(file.parent, run=RUN)
        assert verify(root).damaged == [
            f"{root / SCORES}: scores other answers than {file.parent} has now; delete {root / SCORES} and "
            "run snakemake again"
        ]

    def test_scores_of_a_former_version_are_sound(self, root: Path) -> None:
        seal(root / SCORES)
        assert verify(root).damaged == []

    @pytest.mark.parametrize("facts", [{}, {"made_of": None}, {"made_of": {}}, {"run": 1, "made_of": {}}])
    def test_answers_that_do_not_tell_are_sound(self, root: Path, facts: dict[str, object]) -> None:
        write_manifest(root / answers(RUN), **({"run": RUN} | facts))
        assert verify(root).damaged == []


def write_answers_again(root: Path, checkpoint: str) -> None:
    shutil.rmtree(root / answers(checkpoint))
    write_answers(root, checkpoint)


def test_progress_is_said_now_and_then(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(root)
    assert capsys.readouterr().err == ""  # done within ten seconds
    monkeypatch.setattr(verify_results, "SAY_EVERY_SECONDS", 0.0)
    verify(root)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(listed_files(root))
    total = sum(path.stat().st_size for path in listed_files(root)) / 1e6
    amount = r"(\d\.\d) MB"
    said = [
        re.fullmatch(rf"verify: {amount} of {amount}, \d+ s left \(\d+ s so far\)", line) for line in lines
    ]
    assert all(said)
    assert said[-1] is not None
    assert said[-1].groups() == (f"{total:.1f}", f"{total:.1f}")


def test_the_command(root: Path) -> None:
    sound = program("verify_results", "--results", root)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.splitlines()[-1] == f"{root}: all that is finished is sound (23 folders and files)"
    flip(root / SCORES)
    damaged = program("verify_results", "--results", root)
    assert (damaged.returncode, damaged.stderr) == (1, "")
    assert (
        f"  {root / SCORES}: its sha256 is not the manifest's, the file was damaged; delete "
        in damaged.stdout
    )
    absent = program("verify_results", "--results", root / "none")
    assert absent.returncode == 1
    assert absent.stderr == (
        f"error: {root}/none: there is no such folder; check `results`, or run snakemake first\n"
    )


def test_the_command_reads_the_studys_config(root: Path, tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(f"results: {root}\n")
    done = program(
        "verify_results", "--config", "config.yaml", "--overlay", tmp_path / "overlay.yaml", cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{root}: all that is finished is sound (23 folders and files)"
    wrong = program("verify_results", "--config", tmp_path / "overlay.yaml")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: ")
    assert wrong.stderr.count("\n") == 1


def test_an_empty_folder_has_nothing_sound(tmp_path: Path) -> None:
    assert list(report_lines(tmp_path, verify(tmp_path)))[-1] == f"{tmp_path}: nothing is finished here"
    with pytest.raises(UserError, match="there is no such folder"):
        verify(tmp_path / "none")


def test_the_states_of_a_training_that_goes_on_are_no_leftover(root: Path) -> None:
    states = root / "runs" / f".{RUN}.states"
    write_text(states / "step-5" / "weights.safetensors", "x" * 11)
    write_text(states / ".step-6.0a1b2c3d.partial" / "weights.safetensors", "x")
    assert [path for path, _ in verify(root).leftovers] == [states]  # the run is complete
    (root / "runs" / RUN / MANIFEST).unlink()
    assert verify(root).leftovers == []
    shutil.rmtree(root / "runs" / RUN)
    assert [path for path, _ in verify(root).leftovers] == [states]
