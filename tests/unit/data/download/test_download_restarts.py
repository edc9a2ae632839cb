"""A full disk, a killed process: what is complete stays, the rest is resumed."""

import hashlib
import shutil
import signal
import time
from collections import namedtuple

import huggingface_hub
import pytest
from download_runs import FILES, FIRST, SECOND, SET, dataset_program, hub_source

from fake_hub import FakeHub
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.one_writer import WriterLock
from othink_mr1.config.sources import UrlSource
from othink_mr1.errors import UserError


def test_a_full_disk_is_named_before_anything_is_asked_for(place, hub, monkeypatch):
    disk_with(60_000_000, monkeypatch)
    message = place.fails()
    assert message.startswith("owner/set at main: 0 MB are missing (and 67 MB to spare), but ")
    assert message.endswith("has 60 MB free; free disk space, or set `results` to another disk")
    assert hub.asked("GET", "*/resolve/*") == 0


def disk_with(free, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - free, free))


def test_a_full_disk_is_named_before_the_cache_is_copied(place, hub, monkeypatch):
    huggingface_hub.snapshot_download("owner/set", repo_type="dataset", cache_dir=place.cache)
    disk_with(60_000_000, monkeypatch)
    assert "MB are missing (and 67 MB to spare)" in place.fails()
    assert place.believed() == {}
    place.offline()
    assert "MB are missing (and 67 MB to spare)" in place.fails()
    assert place.believed() == {}


@pytest.mark.parametrize(("free", "enough"), [(5_000_000, True), (4_000_000, False)])
def test_a_small_file_from_the_web_needs_little_space(place, monkeypatch, free, enough):
    with FakeHub({"raw": {"a.jsonl": b"{}"}}).start() as web:
        sha256 = hashlib.sha256(b"{}").hexdigest()
        source = UrlSource(kind="url", base_url=f"{web.endpoint}/raw", path="a.jsonl", sha256=sha256)
        disk_with(free, monkeypatch)
        if enough:
            place.download(source)
            place.assert_complete(["a.jsonl"], {"a.jsonl": b"{}"})
        else:
            assert place.fails(source) == (
                f"{web.endpoint}/raw/a.jsonl: 4 MB are missing (and 0 MB to spare), but {place.folder} has "
                "4 MB free; free disk space, or set `results` to another disk"
            )
            assert web.asked() == 0


def test_a_disk_that_takes_no_more(tmp_path):
    """A limit on the size of files stands in for the full disk: the second file is too large for it."""
    files = {FIRST: b"a" * 3000, SECOND: b"b" * 300_000}
    with FakeHub({SET: files}).start() as hub:
        source = hub_source(files=["*.parquet"])
        folder = tmp_path / "results" / "raw"
        done = dataset_program(hub, tmp_path, source, largest_file=100_000)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"error: {folder}: File too large; let `results` be on a disk that takes files of this size"
        )
        assert "Traceback" not in done.stderr
        assert not (folder / "manifest.json").exists()
        assert not (folder / SECOND).exists()
        asked = hub.asked("GET", f"*{FIRST}")
        assert dataset_program(hub, tmp_path, source).returncode == 0
        assert (folder / SECOND).read_bytes() == files[SECOND]
        assert hub.asked("GET", f"*{FIRST}") == asked == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_and_started_again(tmp_path, number):
    """At once, and what is whole is not fetched again."""
    files = {FIRST: FILES[FIRST], SECOND: bytes(range(256)) * 20_000}
    with FakeHub({SET: files}, cdn=True).start() as hub:
        source = hub_source(files=["*.parquet"])
        hub.fail(f"*{SECOND}", bytes_per_second=1_000_000)
        running = dataset_program(hub, tmp_path, source, popen=True)
        folder = tmp_path / "results" / "raw"
        deadline = time.monotonic() + 60
        while not any(part.stat().st_size > 1_000_000 for part in folder.rglob("*.incomplete")):
            assert time.monotonic() < deadline, running.stderr
            time.sleep(0.05)
        running.send_signal(number)
        ended = time.monotonic()
        running.communicate()
        assert time.monotonic() - ended < 2
        assert not (folder / "manifest.json").exists()
        assert not (folder / SECOND).exists()
        hub.heal()
        hub.requests.clear()
        assert dataset_program(hub, tmp_path, source).returncode == 0
        assert {path: (folder / path).read_bytes() for path in files} == files
        assert not list(folder.rglob("*.incomplete"))
        assert hub.asked("GET", f"*{FIRST}") == 0
    # The user's own cache of the hub is not written.
    assert not (tmp_path / "home").exists()


def test_a_complete_folder_is_accepted_and_nobody_asked(place, hub, capfd):
    place.download()
    hub.requests.clear()
    capfd.readouterr()
    place.download()
    place.offline()
    place.download()
    place.assert_complete()
    assert capfd.readouterr().err == f"{place.folder}: is complete already\n" * 2
    place.offline(False)
    with pytest.raises(UserError) as caught:
        place.download(hub_source(files=["notes.json"]))
    assert str(caught.value) == (
        f"{place.folder}: is complete already, but was made with another source; delete this "
        "folder to make it again, or write to another folder"
    )
    place.assert_complete()
    assert hub.asked() == 0


def test_a_mirror_is_the_same_source(place):
    with FakeHub({"raw": {"a.jsonl": b"{}"}}).start() as web:
        sha256 = hashlib.sha256(b"{}").hexdigest()
        for base_url in (f"{web.endpoint}/raw", "https://mirror.example"):
            place.download(UrlSource(kind="url", base_url=base_url, path="a.jsonl", sha256=sha256))
        assert web.asked() == 1


def test_a_folder_that_lost_its_manifest_alone_fetches_no_large_file_again(place, hub):
    place.download()
    before = read_manifest(place.folder)
    (place.folder / MANIFEST).unlink()
    hub.requests.clear()
    place.download()
    assert read_manifest(place.folder)["files"] == before["files"]
    assert hub.asked("GET", "*/resolve/*.parquet") == 0


def test_of_a_damaged_folder_only_the_damaged_file_is_fetched_again(place, hub):
    """As the message of the damage says: the file and the manifest are deleted."""
    place.download()
    (place.folder / MANIFEST).unlink()
    (place.folder / SECOND).unlink()
    hub.requests.clear()
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{SECOND}") == 1
    assert hub.asked("GET", "*/resolve/*") == 1


def test_another_process_that_took_over_keeps_its_notes(place, hub, monkeypatch):
    """This one stood still; it writes no manifest, and what the other one goes on with stays."""

    def overtaken(lock):
        raise UserError("another one took over")

    monkeypatch.setattr(WriterLock, "check", overtaken)
    assert place.fails() == "another one took over"
    assert list(place.folder.glob(".cache/huggingface/trees/*.json"))


def test_a_link_in_a_files_place_is_not_believed(place, hub):
    """What it leads to could change after it was verified."""
    hub.fail(f"*/resolve/*{SECOND}", status=404)
    place.fails()
    hub.heal()
    elsewhere = place.root / "elsewhere"
    (place.folder / FIRST).rename(elsewhere)
    (place.folder / FIRST).symlink_to(elsewhere)
    place.download()
    place.assert_complete()
    assert not (place.folder / FIRST).is_symlink()
    assert elsewhere.read_bytes() == FILES[FIRST]
