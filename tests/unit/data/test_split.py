"""The split of a training set into validation items and the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.data.examples import EXAMPLES_FILE, Example, read_examples, write_examples
from othink_mr1.data.split import split_dataset
from othink_mr1.errors import UserError


def whole(folder: Path, pictures: list[str]) -> Path:
    """A prepared set with an item per entry; equal entries share a picture."""
    with filling(folder, {}) as artefact:
        examples = (
            Example(f"{number:06d}", picture.encode(), f"q{number}", "1", None)
            for number, picture in enumerate(pictures)
        )
        write_examples(examples, folder / EXAMPLES_FILE)
        artefact.finish(raw_rows=len(pictures) + 1, rows=len(pictures), unusable={"no answer": 1})
    return folder


def ids(folder: Path) -> list[str]:
    return [example.id for example in read_examples(folder / EXAMPLES_FILE)]


@pytest.mark.parametrize(("share", "validation"), [(0.1, 10), (0.104, 11), (0.005, 1), (0.9, 90)])
def test_each_item_is_in_one_part_in_the_order_of_the_set(
    share: float, validation: int, tmp_path: Path
) -> None:
    everything = whole(tmp_path / "whole", [f"p{number}" for number in range(100)])
    assert split_dataset(everything, "validation", share, 0, tmp_path / "v") == validation
    assert split_dataset(everything, "rest", share, 0, tmp_path / "r") == 100 - validation
    kept, rest = ids(tmp_path / "v"), ids(tmp_path / "r")
    assert sorted(kept) == kept
    assert sorted(rest) == rest
    assert sorted(kept + rest) == ids(everything)


def test_another_seed_chooses_other_items_and_a_larger_share_keeps_them(tmp_path: Path) -> None:
    everything = whole(tmp_path / "whole", [f"p{number}" for number in range(200)])
    for name, share, seed in (("a", 0.1, 0), ("b", 0.1, 1), ("c", 0.2, 0)):
        split_dataset(everything, "validation", share, seed, tmp_path / name)
    a, b, c = (set(ids(tmp_path / name)) for name in "abc")
    assert len(a & b) < 10
    assert a < c


def test_items_of_one_picture_are_in_one_part(tmp_path: Path) -> None:
    pictures = [f"p{number // 5}" for number in range(100)]
    everything = whole(tmp_path / "whole", pictures)
    for part in ("validation", "rest"):
        split_dataset(everything, part, 0.1, 0, tmp_path / part)
    shown = [{pictures[int(item)] for item in ids(tmp_path / part)} for part in ("validation", "rest")]
    assert not shown[0] & shown[1]
    assert len(ids(tmp_path / "validation")) == 10


def test_the_order_of_the_set_does_not_matter(tmp_path: Path) -> None:
    pictures = [f"p{number}" for number in range(50)]
    found = []
    for name, order in (("a", pictures), ("b", pictures[::-1])):
        split_dataset(whole(tmp_path / name, order), "validation", 0.2, 3, tmp_path / f"{name}v")
        found.append({example.image for example in read_examples(tmp_path / f"{name}v" / EXAMPLES_FILE)})
    assert found[0] == found[1]


def test_the_manifest_says_what_it_is_made_of_and_where_the_other_rows_are(tmp_path: Path) -> None:
    everything = whole(tmp_path / "whole", [f"p{number}" for number in range(10)])
    split_dataset(everything, "rest", 0.2, 0, tmp_path / "r")
    facts = read_manifest(tmp_path / "r")
    assert facts["made_of"] == {"examples": read_manifest(everything)["files"][EXAMPLES_FILE]["sha256"]}
    assert (facts["raw_rows"], facts["rows"]) == (11, 8)
    assert facts["unusable"] == {"no answer": 1, "in the other part (validation)": 2}


@pytest.mark.parametrize(("pictures", "share"), [(["p"] * 9, 0.1), (["p"], 0.5), (["p", "q"], 0.9)])
def test_a_part_without_items_is_refused(pictures: list[str], share: float, tmp_path: Path) -> None:
    everything = whole(tmp_path / "whole", pictures)
    with pytest.raises(UserError, match=r"whole: has \d items .* change the task's validation\.share"):
        split_dataset(everything, "rest", share, 0, tmp_path / "r")
    assert not (tmp_path / "r" / "manifest.json").exists()


def test_a_damaged_set_is_refused(tmp_path: Path) -> None:
    everything = whole(tmp_path / "whole", ["p", "q"])
    write_text(everything / EXAMPLES_FILE, "no parquet")
    with pytest.raises(UserError, match=EXAMPLES_FILE):
        split_dataset(everything, "rest", 0.5, 0, tmp_path / "r")


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "nan", "x"])
def test_the_program_refuses_a_share_that_is_none(share: str, tmp_path: Path) -> None:
    program = Path("workflow_scripts/split_dataset.py")
    command = [
        sys.executable,
        str(program),
        "--examples",
        "x/examples.parquet",
        "--part",
        "rest",
        "--seed",
        "0",
    ]
    found = subprocess.run(
        [*command, "--seed", "0", f"--share={share}", "--output", str(tmp_path / "r")],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert "--share" in found.stderr.splitlines()[-1]
