"""What is downloaded, where leaks are sought, and whether a download agrees with the lock file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from othink_mr1.artefacts.artefact import filling
from othink_mr1.config.strict import NO_EFFECT, Strict
from othink_mr1.errors import UserError
from othink_mr1.plan import evaluations as plan
from othink_mr1.plan import tables
from othink_mr1.plan.data import downloads, hub_downloads, leaks_plan
from othink_mr1.plan.downloaded import check_downloads
from othink_mr1.plan.tables import leak_pairs
from repository import study

PAPER = study()
MINIATURE = study("mini/study.yaml")


def names(folders: list[str]) -> set[str]:
    return {folder.rsplit("-", 1)[0] for folder in folders}


def test_only_what_the_study_needs_is_downloaded() -> None:
    assert names(downloads(PAPER)) == {
        "raw/clevr_37k",
        "raw/geoqa_8k",
        "raw/r1v_geoqa_prompts",
        "raw/r1v_superclevr_prompts",
        "raw/geo170k_images",
        "raw/superclevr_images",
        "backbones/qwen2_vl_2b_instruct",
    }
    assert downloads(MINIATURE) == []


def test_another_choice_of_set_and_images_downloads_these() -> None:
    changed = {
        "tasks": {"counting": {"train": "clevr_70k"}},
        "sources": {"superclevr_test": {"images": "superclevr_all_images"}},
    }
    chosen = names(downloads(study(**changed)))
    assert {"raw/clevr_70k", "raw/superclevr_all_images"} <= chosen
    assert not {"raw/clevr_37k", "raw/superclevr_images"} & chosen


def test_a_mirror_or_a_threshold_moves_no_identity() -> None:
    mirrored = {
        "sources": {"r1v_geoqa_prompts": {"base_url": "http://mirror.local/raw"}},
        "preparation": {"largest_unusable_share": 0.5},
    }
    changed = study(**mirrored)
    assert downloads(changed) == downloads(PAPER)
    assert leak_pairs(changed) == leak_pairs(PAPER)
    assert changed.sources["r1v_geoqa_prompts"].url.startswith("http://mirror.local/raw/Deep-Agent/R1-V/bbbb")


def test_the_values_without_effect_are_these() -> None:
    """Each is left out of every identity: results would be found again that it does change."""
    models, marked = [Strict], set()
    while models:
        model = models.pop()
        models += model.__subclasses__()
        marked |= {
            (model.__name__, key) for key, field in model.model_fields.items() if NO_EFFECT in field.metadata
        }
    assert marked == {
        ("StudyConfig", "exhibits"),
        ("LocalSource", "path"),
        ("LocalBackbone", "path"),
        ("UrlSource", "base_url"),
        ("UrlSource", "path"),
        ("PromptsSource", "expect_rows"),
        ("Preparation", "largest_unusable_share"),
    }


def test_another_limit_of_the_prompts_is_another_set() -> None:
    changed = study(preparation={"max_prompt_tokens": 1024})
    assert not set(leak_pairs(changed)) & set(leak_pairs(PAPER))


def test_each_training_set_is_compared_with_each_test_set() -> None:
    pairs = {(pair["train"], pair["test"]) for pair in leaks_plan(PAPER)["pairs"]}
    assert pairs == {
        (train, test) for train in ("clevr_37k", "geoqa_8k") for test in ("superclevr_test", "geoqa_test")
    }
    files = {f"data/leaks/{pair}.csv" for pair in leak_pairs(PAPER)}
    assert {pair["leaks"] for pair in leaks_plan(PAPER)["pairs"]} == files


def test_answers_know_the_leaks_of_their_own_training_set() -> None:
    trained = 0
    for entry in tables.answers(PAPER)["cross_task"]:
        if entry.made_of.startswith("backbones/"):
            assert entry.leaks is None
        else:
            pair = leak_pairs(PAPER)[str(entry.leaks)]
            run = tables.runs(PAPER)[entry.made_of.removeprefix("runs/")]
            assert (pair.train, pair.test) == (run.examples, entry.examples)
            trained += 1
    assert trained == sum(entry.run.trained for entry in plan.evaluations(PAPER, "cross_task")) > 0


def test_only_rendered_sets_must_be_disjoint() -> None:
    assert {pair.arguments.endswith(" --refuse") for pair in leak_pairs(MINIATURE).values()} == {True}
    assert {pair.arguments.endswith(" --refuse") for pair in leak_pairs(PAPER).values()} == {False}


OLD, NEW = "a" * 40, "b" * 40


def downloaded(results: Path, source: str, revision: str) -> None:
    folder = next(results / name for name in hub_downloads(PAPER) if name.startswith(f"raw/{source}-"))
    with filling(folder, {}) as artefact:
        artefact.finish(revision=revision)


def locked(path: Path, commit: str) -> Path:
    entry = {"commit": commit}
    path.write_text(json.dumps({"dataset/leonardPKU/GEOQA_R1V_Train_8K@main": entry}))
    return path


def test_a_download_of_the_locked_commit_is_fine(tmp_path: Path) -> None:
    downloaded(tmp_path, "geoqa_8k", OLD)
    check_downloads(PAPER, tmp_path, locked(tmp_path / "downloads.lock.json", OLD))


def test_a_lost_lock_entry_is_written_again(tmp_path: Path) -> None:
    downloaded(tmp_path, "geoqa_8k", OLD)
    lock = tmp_path / "downloads.lock.json"
    check_downloads(PAPER, tmp_path, lock)
    assert json.loads(lock.read_text()) == {"dataset/leonardPKU/GEOQA_R1V_Train_8K@main": {"commit": OLD}}


def test_a_download_that_the_study_does_not_use_is_not_asked_about(tmp_path: Path) -> None:
    assert not any("clevr_70k" in folder for folder in hub_downloads(PAPER))


def test_nothing_downloaded_is_fine(tmp_path: Path) -> None:
    check_downloads(PAPER, tmp_path, locked(tmp_path / "downloads.lock.json", OLD))


def test_a_download_of_another_commit_is_refused(tmp_path: Path) -> None:
    downloaded(tmp_path, "geoqa_8k", OLD)
    lock = locked(tmp_path / "downloads.lock.json", NEW)
    with pytest.raises(UserError) as caught:
        check_downloads(PAPER, tmp_path, lock)
    message = str(caught.value)
    for part in (OLD, NEW, "geoqa_8k", "delete the folder", "to keep it", "config.yaml"):
        assert part in message
    assert "\n" not in message
