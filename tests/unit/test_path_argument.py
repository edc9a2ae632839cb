"""Every entry point takes paths of one part, as typed in the file's own folder."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from othink_mr1.path_argument import path_argument
from repository import SCRIPTS


def test_a_path_of_one_part_gets_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_argument("S.csv") == tmp_path / "S.csv"
    assert path_argument(".").name == tmp_path.name
    assert path_argument("..") == tmp_path.parent
    assert path_argument("folder/") == tmp_path / "folder"
    monkeypatch.setenv("HOME", "/home/a")
    assert path_argument("~/S.csv") == Path("/home/a/S.csv")  # --scores=~/S.csv made a folder named ~
    with pytest.raises(ArgumentTypeError, match="must name a file or a folder"):
        path_argument("")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert path_argument(str(tmp_path / "link")) == tmp_path / "link"


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_no_entry_point_takes_files_otherwise(script: Path) -> None:
    """Config files alone stay as typed, as messages name them."""
    for line in re.findall(r"add_argument\([^)]*type=Path\b[^)]*", script.read_text(), re.DOTALL):
        assert re.search(r"--(config|overlay|page)", line), line
