"""Hostile archives are refused: nothing is written by their names, and they do not fill the memory."""

import json
from pathlib import Path

import pytest
from entry_points import python
from hostile_tars import HOSTILE_TARS, TAR_LINKS
from hostile_zips import HOSTILE_LISTS, HOSTILE_ZIPS, ZIP_LINKS
from raw_sets import write_tar, write_zip

from othink_mr1.data.raw_images import archives
from othink_mr1.data.raw_images.image_store import ImageStore
from othink_mr1.errors import UserError

# what -> file name, maker, what the message says
HOSTILE = {what: ("a.zip", *rest) for what, rest in HOSTILE_ZIPS.items()}
HOSTILE |= {what: ("a.tgz", *rest) for what, rest in HOSTILE_TARS.items()}
LISTS = {what: ("a.zip", *rest) for what, rest in HOSTILE_LISTS.items()}
LINKS = {what: ("a.zip", make, "1.png: no such image") for what, make in ZIP_LINKS.items()}
LINKS |= {what: ("a.tgz", make, "1.png: no such image") for what, make in TAR_LINKS.items()}

# Prints the peak of its own memory (MiB): at the start, and after each folder that it is told to read.
READ_ALL = r"""
import json, re, sys
from pathlib import Path
from othink_mr1.data.raw_images.image_store import ImageStore
from othink_mr1.errors import UserError

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

print(peak())
for folder in json.loads(sys.argv[1]):
    try:
        ImageStore([Path(folder)], ["a.png"]).read("a.png")
    except UserError:
        print(peak(), folder)
"""


def tree(folder):
    """Every path below with its size and time."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("what", HOSTILE | LISTS | LINKS)
def test_refused_and_nothing_written(what, tmp_path, monkeypatch):
    name, make, message = (HOSTILE | LISTS | LINKS)[what]
    wanted = "images/1.png" if what in LINKS else "a.png"
    raw = tmp_path / "a/b/raw"
    raw.mkdir(parents=True)
    monkeypatch.chdir(raw)
    make(raw / name)
    before = tree(tmp_path)
    with pytest.raises(UserError, match=message) as caught, ImageStore([raw], [wanted]) as images:
        images.read(wanted)
    assert what in LINKS or str(caught.value).startswith(str(raw / name))
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_memory_stays_bounded(tmp_path):
    """All of them, in a process of its own; some would take hundreds of megabytes."""
    folders = []
    for what, (name, make, _) in HOSTILE.items():
        folders.append(str(tmp_path / what))
        (tmp_path / what).mkdir()
        make(tmp_path / what / name)
    done = python(READ_ALL, json.dumps(folders))
    assert done.returncode == 0, done.stderr
    start, *peaks = [int(line.split()[0]) for line in done.stdout.splitlines()]
    assert len(peaks) == len(HOSTILE)
    assert peaks[-1] < start + 40, done.stdout


def test_tar_members_are_counted(tmp_path, monkeypatch):
    write_tar(tmp_path / "a.tgz", {f"{number}.png": b"x" for number in range(4)})
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    with pytest.raises(UserError, match="has more than 3 members"):
        ImageStore([tmp_path], ["a.png"])


def read_both(folder):
    with ImageStore([folder], ["a.png", "c.png"]) as images:
        return [images.read(name) for name in ("a.png", "c.png")]


@pytest.mark.parametrize("form", ["zip", "tgz"])
def test_broken_archives_are_one_line(tmp_path, form):
    members = {f"{name}.png": bytes(range(256)) * 40 for name in "abc"}
    path = tmp_path / f"images.{form}"
    (write_zip if form == "zip" else write_tar)(path, members)
    whole = path.read_bytes()
    assert read_both(tmp_path) == [members["a.png"], members["c.png"]]
    middle = len(whole) // 2
    for damaged in (whole[:middle], whole[:50] + bytes([whole[50] ^ 255]) + whole[51:], b"", b"x" * 600):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"(is no readable|no such image)") as caught:
            read_both(tmp_path)
        assert "\n" not in str(caught.value)
