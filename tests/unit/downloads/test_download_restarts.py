"""A full disk, a killed process: what is complete stays, the rest is resumed."""

import shutil
import signal
import time
from collections import namedtuple

from download_runs import FILES, FIRST, SECOND, SET, dataset_program, hub_source

from fake_hub import FakeHub


def test_a_full_disk_is_named_before_anything_is_asked_for(place, hub, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 60_000_000, 60_000_000))
    message = place.fails()
    assert message.startswith("owner/set at main: 0 MB are missing (and 67 MB to spare), but ")
    assert message.endswith("has 60 MB free; free disk space, or set `results` to another disk")
    assert hub.asked("GET", "*/resolve/*") == 0


def test_a_disk_that_takes_no_more(tmp_path):
    """A limit on the size of files stands in for the full disk: the second file is too large for it."""
    files = {FIRST: b"a" * 3000, SECOND: b"b" * 300_000}
    with FakeHub({SET: files}).start() as hub:
        source = hub_source(files=["*.parquet"])
        done = dataset_program(hub, tmp_path, source, largest_file=100_000)
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert line.startswith(
            f"error: owner/set at main: {SECOND}: cannot be written (File too large); free disk"
        )
        assert "Traceback" not in done.stderr
        folder = tmp_path / "results" / "raw"
        assert not (folder / "manifest.json").exists()
        assert (folder / FIRST).read_bytes() == files[FIRST]
        assert not (folder / SECOND).exists()
        asked = hub.asked("GET", f"*{FIRST}")
        assert dataset_program(hub, tmp_path, source).returncode == 0
        assert hub.asked("GET", f"*{FIRST}") == asked
        assert hub.matching("GET", f"*{SECOND}")[-1].headers["range"].startswith("bytes=")


def test_killed_in_the_middle_and_started_again(tmp_path):
    files = {FIRST: FILES[FIRST], SECOND: bytes(range(256)) * 8000}
    with FakeHub({SET: files}, cdn=True).start() as hub:
        source = hub_source(files=["*.parquet"])
        hub.fail(f"*{SECOND}", bytes_per_second=500_000)
        running = dataset_program(hub, tmp_path, source, popen=True)
        folder = tmp_path / "results" / "raw"
        parts = folder / ".download"
        deadline = time.monotonic() + 60
        while not any(part.stat().st_size > 300_000 for part in parts.glob("*.part")):
            assert time.monotonic() < deadline, running.stderr
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert not (folder / "manifest.json").exists()
        assert not (folder / SECOND).exists()
        (part,) = parts.glob("*.part")
        came = part.stat().st_size
        assert 300_000 < came < len(files[SECOND])
        hub.heal()
        hub.requests.clear()
        assert dataset_program(hub, tmp_path, source).returncode == 0
        assert (folder / SECOND).read_bytes() == files[SECOND]
        assert (folder / FIRST).read_bytes() == files[FIRST]
        assert hub.asked("GET", "*/revision/*") == 0, "the kept listing is of the commit that is locked"
        assert hub.asked("GET", f"*{FIRST}") == 0
        (rest,) = [each for each in hub.matching("GET", f"*{SECOND}") if each.server == "cdn"]
        assert rest.headers["range"] == f"bytes={came}-"
        assert rest.sent == len(files[SECOND]) - came


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
