"""Scores and reports of leaks that other code made get an input that is newer; nothing else ever has."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from othink_mr1.scoring.scores import Score, write_scores
from othink_mr1.study.code_of_stages import Stage, stage_code
from othink_mr1.study.manifests import manifest_beside, parse_manifest, seal
from othink_mr1.study.module_digests import Modules
from othink_mr1.study.remade import CheapResults, code_file

GEOMETRY = Stage("score", "geometry")
FILE, OTHER = "scores/a/geometry-0/geometry-2.csv", "scores/b/geometry-0/geometry-2.csv"
SCORE = Score("0", "geometry", True, True, True, "correct", "", False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in (FILE, OTHER):
        write_scores(tmp_path / file, [SCORE], ["geometry"])
    return tmp_path


def cheap_results(root: Path) -> CheapResults:
    return CheapResults(root, Modules(results=root))


def write(root: Path) -> float:
    """Write the code file; returns its time."""
    cheap_results(root).write_code_files({GEOMETRY: [FILE, OTHER, "scores/c/not-there.csv"]})
    return (root / code_file(GEOMETRY)).stat().st_mtime


def make_older(file: Path) -> None:
    """As if it had been made by other code."""
    code = parse_manifest(manifest_beside(file), "")["code"]
    seal(file, {"code": {**code, "scoring.units": "0"}})


def test_scores_tell_what_code_made_them(root: Path) -> None:
    assert parse_manifest(manifest_beside(root / FILE), "")["code"] == stage_code(GEOMETRY)
    assert not cheap_results(root).is_of_older_code(FILE)


def test_the_file_has_the_stages_code_and_is_written_once(root: Path) -> None:
    write(root)
    path = root / "plans" / "code.score.geometry.json"
    assert json.loads(path.read_text()) == stage_code(GEOMETRY)
    os.utime(path, (5, 5))
    assert write(root) == 5
    path.write_text("{")
    assert write(root) > 5


def test_it_is_newer_than_what_other_code_made_whatever_was_touched(root: Path) -> None:
    path = root / code_file(GEOMETRY)
    write(root)
    make_older(root / FILE)
    for moment in (5, 10**9, 4 * 10**9):  # also by a clock that is ahead
        os.utime(path, (5, 5))
        os.utime(root / FILE, (moment, moment))
        assert write(root) > moment
        once = path.stat().st_mtime_ns
        write(root)
        assert path.stat().st_mtime_ns == once


def test_it_is_not_touched_for_what_this_code_made(root: Path) -> None:
    write(root)
    os.utime(root / code_file(GEOMETRY), (5, 5))
    os.utime(root / FILE, (10**9, 10**9))
    assert write(root) == 5


@pytest.mark.parametrize("how", ["file gone", "manifest gone", "manifest torn", "manifest no dict"])
def test_what_is_gone_or_damaged_is_not_of_older_code(root: Path, how: str) -> None:
    make_older(root / FILE)
    manifest = manifest_beside(root / FILE)
    if how == "file gone":
        (root / FILE).unlink()
    elif how == "manifest gone":
        manifest.unlink()
    else:
        manifest.write_text("{" if how == "manifest torn" else "[1]")
    assert not cheap_results(root).is_of_older_code(FILE)


def test_the_same_scores_again_take_the_new_code(root: Path) -> None:
    """As after a change that keeps the scores."""
    make_older(root / FILE)
    assert cheap_results(root).is_of_older_code(FILE)
    write_scores(root / FILE, [SCORE], ["geometry"])
    assert not cheap_results(root).is_of_older_code(FILE)


def test_a_module_that_computes_nothing_makes_no_scores_anew(root: Path) -> None:
    code = parse_manifest(manifest_beside(root / FILE), "")["code"]
    assert "study.writer_lock" not in code
    seal(root / FILE, {"code": {**code, "study.manifests": "0", "data.progress": "0"}})
    assert not cheap_results(root).is_of_older_code(FILE)
