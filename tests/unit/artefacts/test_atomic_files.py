"""Files that are either old or new, never half written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from othink_mr1.artefacts import atomic_files
from othink_mr1.artefacts.atomic_files import folder_written_aside, write_json, write_text, written_aside
from othink_mr1.errors import UserError, run_entry_point


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_text(path, "old")

    def fail() -> None:
        with written_aside(path) as aside:
            aside.write_text("new")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.csv"]


def test_what_was_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"
    events: list[str] = []
    replace, fsync = os.replace, os.fsync

    def noted_sync(number: int) -> None:
        what = Path(os.readlink(f"/proc/self/fd/{number}"))
        events.append("sync folder" if what == tmp_path else "sync file")
        fsync(number)

    def noted_replace(source: Path, target: Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_text(path, "new")
    assert events == ["sync file", "rename", "sync folder"]


def test_two_writers_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with written_aside(path) as one, written_aside(path) as two:
        assert one != two
        one.write_text("1")
        two.write_text("2")
    assert path.read_text() == "1"
    assert names(tmp_path) == ["x.csv"]


def test_json_is_indented_and_sorted(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "β", "a": [1, 2.5]})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": [\n    1,\n    2.5\n  ],\n  "b": "β"\n}\n'


def test_a_folder_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with folder_written_aside(tmp_path / "state") as aside:
        write_text(aside / "part" / "x", "1")
        assert not (tmp_path / "state").exists()
    assert (tmp_path / "state" / "part" / "x").read_text() == "1"
    assert names(tmp_path) == ["state"]


def test_a_folder_that_failed_stays_hidden(tmp_path: Path) -> None:
    def fail() -> None:
        with folder_written_aside(tmp_path / "next") as aside:
            write_text(aside / "x", "1")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        fail()
    (left,) = names(tmp_path)
    assert left.startswith(".next.")
    assert left.endswith(".partial")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_drive_that_cannot_sync_folders_is_no_obstacle_and_a_broken_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_dir():
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            write_text(tmp_path / "x", "1")
    else:
        write_text(tmp_path / "x", "1")
        assert (tmp_path / "x").read_text() == "1"


def test_a_file_that_cannot_be_synced_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(atomic_files.os, "fsync", refuse)
    with pytest.raises(OSError, match="Invalid argument"):
        write_text(tmp_path / "x", "1")
    assert names(tmp_path) == []


def test_a_folder_a_pipe_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    """A pipe was, and so would /dev/null have been; a folder ended in a traceback."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "a pipe or a device"), ("folder", "a folder")):
        with pytest.raises(UserError, match=f"{name}: is {kind}; name a file to write"):
            write_text(tmp_path / name, "text")
    assert names(tmp_path) == ["folder", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["file/x.csv", "file/folder/x.csv", "x" * 300])
def test_a_path_that_cannot_be_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"^error: [^\n]*; [^\n]*choose [^\n]*$"):
        run_entry_point(lambda: write_text(tmp_path / name, "text"))
